# How every target of the project is made. Sources are listed by hand in each folder: CMake globs nothing.

add_library(till_flags INTERFACE)
target_include_directories(till_flags INTERFACE ${PROJECT_SOURCE_DIR})
target_compile_options(till_flags INTERFACE
  -Wall -Wextra -Wshadow -Wcast-align -Wunused -Wnull-dereference -Werror
  $<$<COMPILE_LANGUAGE:CXX>:-Wnon-virtual-dtor>
  $<$<COMPILE_LANGUAGE:CXX>:-Woverloaded-virtual>
  $<$<CXX_COMPILER_ID:GNU>:-Wno-null-dereference>   # GCC 12 warns falsely inside the standard library
  -fstack-protector-strong -ffunction-sections -fdata-sections)
target_link_options(till_flags INTERFACE -Wl,--gc-sections)
if(TILL_SANITIZE)
  target_compile_options(till_flags INTERFACE
    -fsanitize=${TILL_SANITIZE} -fno-omit-frame-pointer -fno-sanitize-recover=all)
  target_link_options(till_flags INTERFACE -fsanitize=${TILL_SANITIZE})
endif()
if(TILL_FUZZ)
  target_compile_options(till_flags INTERFACE -fsanitize=fuzzer-no-link)
endif()

# Code that can reach the terminal: no exceptions, no RTTI (docs/decisions/0001).
add_library(till_terminal_flags INTERFACE)
target_link_libraries(till_terminal_flags INTERFACE till_flags)
target_compile_options(till_terminal_flags INTERFACE $<$<COMPILE_LANGUAGE:CXX>:-fno-exceptions>)
if(NOT TILL_SANITIZE MATCHES "undefined")   # UBSan's vptr check wants RTTI
  target_compile_options(till_terminal_flags INTERFACE $<$<COMPILE_LANGUAGE:CXX>:-fno-rtti>)
endif()

# What runs seldom on the terminal is compiled for size: MIPS16e, as OpenWrt compiles its packages by default, takes a
# quarter off the text. The applier, the codecs and the hashes stay in full instructions.
function(till_prefer_size)
  if(CMAKE_SYSTEM_PROCESSOR STREQUAL "mipsel")
    foreach(target ${ARGN})
      target_compile_options(${target} PRIVATE -mips16)
    endforeach()
  endif()
endfunction()

# Compile time is the suite's time: -g1 (in the presets) gives stacks their lines for a fifth less, and what only
# declares command lines or tests is not worth optimising (CLI11: 11.5 s a file at -O2, 3 s at -O0).
function(till_compile_quickly)
  if(ARGN AND NOT TILL_SANITIZE AND NOT CMAKE_CROSSCOMPILING)
    set_property(SOURCE ${ARGN} APPEND PROPERTY COMPILE_OPTIONS -O0)
  endif()
endfunction()

function(till_compile_commands_quickly)
  set(commands ${ARGN})
  list(FILTER commands INCLUDE REGEX "(main|command_line|_command)\\.cc$")
  till_compile_quickly(${commands})
endfunction()

# till_library(name [TERMINAL] SOURCES a.cc ... [DEPENDS lib ...] [PRIVATE lib ...])
#   TERMINAL: may reach the terminal. DEPENDS are passed on to users, PRIVATE (third-party, as a rule) are not.
function(till_library name)
  cmake_parse_arguments(ARG "TERMINAL" "" "SOURCES;DEPENDS;PRIVATE" ${ARGN})
  add_library(${name} STATIC ${ARG_SOURCES})
  if(NOT ARG_TERMINAL)
    till_compile_commands_quickly(${ARG_SOURCES})
  endif()
  if(ARG_TERMINAL)
    target_link_libraries(${name} PRIVATE till_terminal_flags)
  else()
    target_link_libraries(${name} PRIVATE till_flags)
  endif()
  target_link_libraries(${name} PUBLIC ${ARG_DEPENDS} PRIVATE ${ARG_PRIVATE})
endfunction()

# `programs`: what people run, without the tests (./dev demo, ./dev size).
add_custom_target(programs)

# Where tests find the programs. In a cross build these are scripts that start the emulator, so that a test starts a
# program the same way everywhere.
set(TILL_RUN_DIR ${PROJECT_BINARY_DIR}/bin)
if(CMAKE_CROSSCOMPILING)
  set(TILL_RUN_DIR ${PROJECT_BINARY_DIR}/run)
endif()

# till_program(name [TERMINAL] SOURCES ... DEPENDS ...)
function(till_program name)
  cmake_parse_arguments(ARG "TERMINAL" "" "SOURCES;DEPENDS" ${ARGN})
  add_executable(${name} ${ARG_SOURCES})
  if(NOT ARG_TERMINAL)
    till_compile_commands_quickly(${ARG_SOURCES})
  endif()
  if(ARG_TERMINAL)
    target_link_libraries(${name} PRIVATE till_terminal_flags)
    target_link_options(${name} PRIVATE -Wl,--exclude-libs,ALL)   # nobody links to it: a tenth of tilld were names
  else()
    target_link_libraries(${name} PRIVATE till_flags)
  endif()
  target_link_libraries(${name} PRIVATE ${ARG_DEPENDS})
  set_target_properties(${name} PROPERTIES RUNTIME_OUTPUT_DIRECTORY ${PROJECT_BINARY_DIR}/bin)
  add_dependencies(programs ${name})
  if(CMAKE_CROSSCOMPILING)
    list(JOIN CMAKE_CROSSCOMPILING_EMULATOR " " emulator)
    file(GENERATE OUTPUT ${TILL_RUN_DIR}/${name}
      CONTENT "#!/bin/sh\nexec ${emulator} $<TARGET_FILE:${name}> \"$@\"\n"
      FILE_PERMISSIONS OWNER_READ OWNER_WRITE OWNER_EXECUTE GROUP_READ GROUP_EXECUTE WORLD_READ WORLD_EXECUTE)
  endif()
endfunction()

# The unit tests are those of these folders that start no program of ours (no add_dependencies): labelled "unit", built
# by `unit_tests`. ./dev test runs them with sanitizers in every commit.
set(TILL_UNIT_FOLDERS "^(core|delta|device|cdn-edge|server)(/|$)")
add_custom_target(unit_tests)
function(till_note_unit_test name)   # called at the end of its folder, when its dependencies are known
  file(RELATIVE_PATH folder ${PROJECT_SOURCE_DIR}/tests ${CMAKE_CURRENT_SOURCE_DIR})
  get_target_property(starts ${name} MANUALLY_ADDED_DEPENDENCIES)
  if(folder MATCHES ${TILL_UNIT_FOLDERS} AND NOT starts)
    set_property(TEST ${name} APPEND PROPERTY LABELS unit)
    add_dependencies(unit_tests ${name})
  endif()
endfunction()

# till_test(name SOURCES ... DEPENDS ... [TIMEOUT seconds] [LABELS ...]): one gtest program = one ctest entry.
function(till_test name)
  cmake_parse_arguments(ARG "" "TIMEOUT" "SOURCES;DEPENDS;LABELS" ${ARGN})
  add_executable(${name} ${ARG_SOURCES})
  target_link_libraries(${name} PRIVATE till_flags ${ARG_DEPENDS} GTest::gtest GTest::gmock GTest::gtest_main)
  set_target_properties(${name} PROPERTIES RUNTIME_OUTPUT_DIRECTORY ${PROJECT_BINARY_DIR}/tests)
  till_compile_quickly(${ARG_SOURCES})
  target_compile_definitions(${name} PRIVATE
    TILL_SOURCE_DIR="${PROJECT_SOURCE_DIR}" TILL_BIN_DIR="${TILL_RUN_DIR}")
  add_test(NAME ${name} COMMAND ${name})
  if(NOT ARG_TIMEOUT)
    set(ARG_TIMEOUT 300)
  endif()
  set_tests_properties(${name} PROPERTIES TIMEOUT ${ARG_TIMEOUT} LABELS "${ARG_LABELS}")
  cmake_language(EVAL CODE "cmake_language(DEFER CALL till_note_unit_test ${name})")
endfunction()

add_custom_target(fuzzers)

# till_fuzz(name SOURCES name.cc DEPENDS ...): libFuzzer under the fuzz preset, elsewhere a program that replays
# tests/fuzz/corpus/<name>/ as a test (it fails on an empty folder).
function(till_fuzz name)
  cmake_parse_arguments(ARG "" "" "SOURCES;DEPENDS" ${ARGN})
  foreach(library ${ARG_DEPENDS})
    if(TILL_TERMINAL_ONLY AND NOT TARGET ${library})
      return()   # what it fuzzes never reaches the terminal
    endif()
  endforeach()
  set(corpus ${PROJECT_SOURCE_DIR}/tests/fuzz/corpus/${name})
  if(TILL_FUZZ)
    add_executable(${name} ${ARG_SOURCES})
    target_link_options(${name} PRIVATE -fsanitize=fuzzer)
  else()
    add_executable(${name} ${ARG_SOURCES} ${PROJECT_SOURCE_DIR}/tests/fuzz/replay_main.cc)
  endif()
  target_link_libraries(${name} PRIVATE till_flags ${ARG_DEPENDS})
  set_target_properties(${name} PROPERTIES RUNTIME_OUTPUT_DIRECTORY ${PROJECT_BINARY_DIR}/fuzz)
  add_dependencies(fuzzers ${name})
  if(NOT TILL_FUZZ)
    add_test(NAME ${name}_replay COMMAND ${name} ${corpus})
    set_tests_properties(${name}_replay PROPERTIES TIMEOUT 120 LABELS fuzz)
  endif()
endfunction()
