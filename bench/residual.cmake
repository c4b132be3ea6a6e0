till_bench(bench_residual
  SOURCES ${CMAKE_CURRENT_LIST_DIR}/residual_bench.cc
  DEPENDS till_delta_residual_encode till_delta_mips till_crypto)
till_bench(bench_match
  SOURCES ${CMAKE_CURRENT_LIST_DIR}/match_bench.cc
  DEPENDS till_delta_diff divsufsort)
till_bench(bench_codec
  SOURCES ${CMAKE_CURRENT_LIST_DIR}/codec_bench.cc
  DEPENDS till_delta_codec)
