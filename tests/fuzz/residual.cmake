till_fuzz(residual_decoder_fuzz
  SOURCES ${CMAKE_CURRENT_LIST_DIR}/residual_decoder_fuzz.cc
  DEPENDS till_delta_residual)
till_fuzz(residual_round_trip_fuzz
  SOURCES ${CMAKE_CURRENT_LIST_DIR}/residual_round_trip_fuzz.cc
  DEPENDS till_delta_residual_encode)
till_fuzz(mips_map_fuzz
  SOURCES ${CMAKE_CURRENT_LIST_DIR}/mips_map_fuzz.cc
  DEPENDS till_delta_mips)
