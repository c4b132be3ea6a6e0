till_fuzz(payload_header_fuzz
  SOURCES ${CMAKE_CURRENT_LIST_DIR}/payload_header_fuzz.cc
  DEPENDS till_delta_format)
till_fuzz(payload_ops_fuzz
  SOURCES ${CMAKE_CURRENT_LIST_DIR}/payload_ops_fuzz.cc
  DEPENDS till_delta_apply)
till_fuzz(payload_control_fuzz
  SOURCES ${CMAKE_CURRENT_LIST_DIR}/payload_control_fuzz.cc
  DEPENDS till_delta_format)
till_fuzz(payload_pair_fuzz
  SOURCES ${CMAKE_CURRENT_LIST_DIR}/payload_pair_fuzz.cc
  DEPENDS till_delta_apply)
till_fuzz(recode_decode_fuzz
  SOURCES ${CMAKE_CURRENT_LIST_DIR}/recode_decode_fuzz.cc
  DEPENDS till_delta_codec)
