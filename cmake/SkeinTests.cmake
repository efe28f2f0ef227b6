# One test program per folder of tests/: skein_test_<folder>, from every .cc below it. A folder
# counts when it has a *_test.cc. tests/support/ is a library that all of them link.

# What the tests of a folder link. A folder that is not listed links everything; a short list
# keeps a test building while a folder above it does not.
set(skein_test_links_base base)
set(skein_test_links_tree base)
set(skein_test_links_embedding base)  # its test starts a program
set(skein_test_links_bench base)
set(skein_test_links_ir ir)
set(skein_test_links_frontends frontends)
set(skein_test_links_kernels kernels codegen)
set(skein_test_links_codegen codegen kernels)
set(skein_test_links_fusion runtime)  # what is fused is also run
set(skein_test_links_default runtime frontends)

skein_sources(skein_test_support_sources tests/support ALLOW_EMPTY)
if(skein_test_support_sources)
  # The helpers may use everything below the front ends' file formats.
  add_library(skein_test_support STATIC ${skein_test_support_sources})
  target_link_libraries(skein_test_support PUBLIC skein_ir GTest::gtest)
endif()

file(GLOB_RECURSE skein_test_files CONFIGURE_DEPENDS RELATIVE ${PROJECT_SOURCE_DIR}/tests
     ${PROJECT_SOURCE_DIR}/tests/*_test.cc)
set(skein_test_folders ${skein_test_files})
list(FILTER skein_test_folders INCLUDE REGEX "/")
list(TRANSFORM skein_test_folders REPLACE "/.*" "")
list(REMOVE_DUPLICATES skein_test_folders)

# The example of README.md, linked as a host would.
add_executable(skein_readme_example ${PROJECT_SOURCE_DIR}/tests/embedding/readme_example.cc)
target_link_libraries(skein_readme_example PRIVATE skein_runtime)

foreach(folder IN LISTS skein_test_folders)
  file(GLOB_RECURSE sources CONFIGURE_DEPENDS ${PROJECT_SOURCE_DIR}/tests/${folder}/*.cc)
  list(FILTER sources EXCLUDE REGEX "/readme_example\\.cc$")  # a program of its own, below
  set(program skein_test_${folder})
  add_executable(${program} ${sources})
  if(DEFINED skein_test_links_${folder})
    set(links ${skein_test_links_${folder}})
  else()
    set(links ${skein_test_links_default})
  endif()
  list(TRANSFORM links PREPEND skein_)
  if(TARGET skein_test_support AND NOT folder MATCHES "^(base|tree|bench|embedding)$")
    list(PREPEND links skein_test_support)
  endif()
  target_link_libraries(${program} PRIVATE ${links} GTest::gtest_main GTest::gmock)
  if("skein_frontends" IN_LIST links)
    target_link_libraries(${program} PRIVATE skein_onnx)  # tests make models of their own
  endif()
  if(folder STREQUAL "bench")  # a program, not a library: its testable part is compiled again
    set(measured ceilings canary huge_buffer streams stream_loops_avx2 stream_loops_avx512 team
        timing)
    list(TRANSFORM measured PREPEND ${PROJECT_SOURCE_DIR}/bench/)
    list(TRANSFORM measured APPEND .cc)
    target_sources(${program} PRIVATE ${measured})
  endif()
  if(folder STREQUAL "cli")  # writes ONNX files as the tests of the front end do
    target_sources(${program} PRIVATE ${PROJECT_SOURCE_DIR}/tests/frontends/model_builder.cc)
  endif()
  target_compile_definitions(
    ${program} PRIVATE SKEIN_SOURCE_DIR="${PROJECT_SOURCE_DIR}"
                       SKEIN_BIN_DIR="${CMAKE_RUNTIME_OUTPUT_DIRECTORY}")
  if(folder MATCHES "^(cli|e2e)$")  # these start the programs
    foreach(started skein skein-bench)
      if(TARGET ${started})
        add_dependencies(${program} ${started})
      endif()
    endforeach()
  endif()
  if(folder STREQUAL "embedding")
    add_dependencies(${program} skein_readme_example)
  endif()
  add_test(NAME ${folder} COMMAND ${program})
  set_tests_properties(${folder} PROPERTIES LABELS ${folder} TIMEOUT 1200)
  if(folder STREQUAL "e2e")  # compares times: nothing may run beside it
    set_tests_properties(${folder} PROPERTIES RUN_SERIAL ON)
  endif()
endforeach()

# The error of vector math over all inputs: minutes on all cores, so built and run on request only.
if(SKEIN_LLVM)
  add_executable(skein_math_exhaustive EXCLUDE_FROM_ALL
                 ${PROJECT_SOURCE_DIR}/tests/exhaustive/math_exhaustive.cc)
  target_link_libraries(skein_math_exhaustive PRIVATE skein_codegen)
endif()
