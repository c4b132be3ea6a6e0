till_fuzz(boot_state_fuzz
  SOURCES ${CMAKE_CURRENT_LIST_DIR}/boot_state_fuzz.cc
  DEPENDS till_boot_state)
