till_fuzz(chunk_index_fuzz
  SOURCES ${CMAKE_CURRENT_LIST_DIR}/chunk_index_fuzz.cc
  DEPENDS till_delta_chunks)
