# Whole programs beside their peers: scripts, put where ./dev bench finds them.
file(CREATE_LINK ${CMAKE_CURRENT_SOURCE_DIR}/delta_peers.py ${PROJECT_BINARY_DIR}/bench/delta_peers SYMBOLIC)
