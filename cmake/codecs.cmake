# The codecs whose exact bytes are part of the payload format: one version, built here from Debian 12's sources, linked
# statically into packer and terminal, hidden from every shared library. Versions: tools/pinned_codecs.json.
# Only what is listed is compiled. Targets: Pinned::lzma, Pinned::zlib, Pinned::zstd, Pinned::lz4.
find_package(Python3 REQUIRED COMPONENTS Interpreter)
set_property(DIRECTORY APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS ${PROJECT_SOURCE_DIR}/tools/pinned_codecs.json)
execute_process(COMMAND ${Python3_EXECUTABLE} ${PROJECT_SOURCE_DIR}/tools/pinned_codecs.py
  OUTPUT_VARIABLE TILL_CODECS OUTPUT_STRIP_TRAILING_WHITESPACE RESULT_VARIABLE codecs_failed)
if(codecs_failed)
  message(FATAL_ERROR "The pinned codecs' sources are missing (see above).")
endif()
string(REGEX REPLACE ".*\n" "" TILL_CODECS "${TILL_CODECS}")
file(READ ${PROJECT_SOURCE_DIR}/tools/pinned_codecs.json pinned_codecs_json)

# till_codec(name HEADERS folder SOURCES files... [INCLUDES folders...] [DEFINES ...])
function(till_codec name)
  cmake_parse_arguments(ARG "" "HEADERS" "SOURCES;INCLUDES;DEFINES" ${ARGN})
  string(JSON folder GET "${pinned_codecs_json}" ${name} folder)
  list(TRANSFORM ARG_SOURCES PREPEND ${TILL_CODECS}/${folder}/)
  list(TRANSFORM ARG_INCLUDES PREPEND ${TILL_CODECS}/${folder}/)
  add_library(pinned_${name} STATIC ${ARG_SOURCES})
  target_include_directories(pinned_${name} SYSTEM INTERFACE ${TILL_CODECS}/${folder}/${ARG_HEADERS})
  target_include_directories(pinned_${name} PRIVATE ${TILL_CODECS}/${folder}/${ARG_HEADERS} ${ARG_INCLUDES})
  target_compile_definitions(pinned_${name} PRIVATE ${ARG_DEFINES})
  # Always -O2: their speed is the terminal's time. NDEBUG as every distribution: xz asserts on hostile blocks too.
  target_compile_options(pinned_${name} PRIVATE -w -O2 -DNDEBUG -fvisibility=hidden -ffunction-sections -fdata-sections)
  if(TILL_FUZZ)
    target_compile_options(pinned_${name} PRIVATE -fsanitize=fuzzer-no-link,address)
  endif()
  set_target_properties(pinned_${name} PROPERTIES C_STANDARD 99 POSITION_INDEPENDENT_CODE ON)
  add_library(Pinned::${name} ALIAS pinned_${name})
endfunction()

set(lzma_common alone_decoder alone_encoder auto_decoder block_buffer_decoder block_buffer_encoder block_decoder
  block_encoder block_header_decoder block_header_encoder block_util common easy_preset filter_buffer_decoder
  filter_buffer_encoder filter_common filter_decoder filter_encoder filter_flags_decoder filter_flags_encoder index
  index_decoder index_encoder index_hash lzip_decoder stream_buffer_decoder stream_buffer_encoder stream_decoder
  stream_encoder stream_flags_common stream_flags_decoder stream_flags_encoder vli_decoder vli_encoder vli_size)
list(TRANSFORM lzma_common PREPEND src/liblzma/common/)
set(lzma_coders check/check check/crc32_fast check/crc32_table check/crc64_fast check/crc64_table check/sha256
  lz/lz_decoder lz/lz_encoder lz/lz_encoder_mf lzma/fastpos_table lzma/lzma2_decoder lzma/lzma2_encoder
  lzma/lzma_decoder lzma/lzma_encoder lzma/lzma_encoder_optimum_fast lzma/lzma_encoder_optimum_normal
  lzma/lzma_encoder_presets rangecoder/price_table simple/arm simple/armthumb simple/ia64 simple/powerpc
  simple/simple_coder simple/simple_decoder simple/simple_encoder simple/sparc simple/x86)
list(TRANSFORM lzma_coders PREPEND src/liblzma/)
list(TRANSFORM lzma_common APPEND .c)
list(TRANSFORM lzma_coders APPEND .c)
set(lzma_filters lzma1 lzma2 x86 powerpc ia64 arm armthumb sparc)
set(lzma_defines "")
foreach(filter ${lzma_filters})
  string(TOUPPER ${filter} filter)
  list(APPEND lzma_defines HAVE_ENCODER_${filter}=1 HAVE_DECODER_${filter}=1)
endforeach()
foreach(finder bt2 bt3 bt4 hc3 hc4)
  string(TOUPPER ${finder} finder)
  list(APPEND lzma_defines HAVE_MF_${finder}=1)
endforeach()
till_codec(lzma HEADERS src/liblzma/api
  SOURCES ${lzma_common} ${lzma_coders}
  INCLUDES src/common src/liblzma/api src/liblzma/common src/liblzma/check src/liblzma/lz src/liblzma/rangecoder
    src/liblzma/lzma src/liblzma/delta src/liblzma/simple
  DEFINES ${lzma_defines} HAVE_ENCODERS=1 HAVE_DECODERS=1 HAVE_CHECK_CRC32=1 HAVE_CHECK_CRC64=1 HAVE_CHECK_SHA256=1
    HAVE_STDBOOL_H=1 HAVE_STDINT_H=1 HAVE_INTTYPES_H=1 HAVE_LIMITS_H=1 HAVE_STRING_H=1 HAVE__BOOL=1
    HAVE___BUILTIN_ASSUME_ALIGNED=1 HAVE___BUILTIN_BSWAPXX=1 TUKLIB_SYMBOL_PREFIX=lzma_ ASSUME_RAM=128 LZMA_API_STATIC
    PACKAGE_NAME="XZ" PACKAGE_BUGREPORT="" PACKAGE_URL="")
target_compile_definitions(pinned_lzma INTERFACE LZMA_API_STATIC)

till_codec(zlib HEADERS .
  SOURCES adler32.c compress.c crc32.c deflate.c inffast.c inflate.c inftrees.c trees.c uncompr.c zutil.c
  DEFINES HAVE_UNISTD_H=1)

set(zstd_parts common/debug common/entropy_common common/error_private common/fse_decompress common/pool
  common/threading common/xxhash common/zstd_common compress/fse_compress compress/hist compress/huf_compress
  compress/zstd_compress compress/zstd_compress_literals compress/zstd_compress_sequences
  compress/zstd_compress_superblock compress/zstd_double_fast compress/zstd_fast compress/zstd_lazy compress/zstd_ldm
  compress/zstd_opt decompress/huf_decompress decompress/zstd_ddict decompress/zstd_decompress
  decompress/zstd_decompress_block)
list(TRANSFORM zstd_parts PREPEND lib/)
list(TRANSFORM zstd_parts APPEND .c)
till_codec(zstd HEADERS lib SOURCES ${zstd_parts}
  DEFINES ZSTDLIB_VISIBLE= ZSTDERRORLIB_VISIBLE= ZSTD_DISABLE_ASM=1 ZSTD_LEGACY_SUPPORT=0 ZSTD_STRIP_ERROR_STRINGS=1
    ZSTD_TRACE=0 XXH_NAMESPACE=ZSTD_)
# On the terminal flash counts: xz keeps its speed, whose encoder is most of an update's time. The bytes are the same.
if(CMAKE_CROSSCOMPILING)
  target_compile_options(pinned_zstd PRIVATE -Os)
  target_compile_definitions(pinned_zstd PRIVATE ZSTD_NO_INLINE=1 HUF_FORCE_DECOMPRESS_X1=1
    ZSTD_FORCE_DECOMPRESS_SEQUENCES_SHORT=1)
endif()

till_codec(lz4 HEADERS lib SOURCES lib/lz4.c lib/lz4hc.c
  DEFINES LZ4LIB_VISIBILITY= XXH_NAMESPACE=LZ4_ LZ4HC_HEAPMODE=0)   # its optimal parser: 64 KiB of stack, no malloc
if(CMAKE_CROSSCOMPILING)
  target_compile_options(pinned_zlib PRIVATE -Os)
  target_compile_options(pinned_lz4 PRIVATE -Os)
  target_compile_definitions(pinned_lz4 PRIVATE LZ4_FORCE_INLINE=static\ inline)
endif()
