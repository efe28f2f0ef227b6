# Functions that make one target from one folder.

# Sets `out` to every .cc below `folder`, without those in the sub-folders named after EXCLUDE.
# Test files (*_test.cc) are never taken. A folder without sources gives one empty file, so that
# the target exists and turns into a real one when the first file is added.
function(skein_sources out folder)
  cmake_parse_arguments(ARG "ALLOW_EMPTY" "" "EXCLUDE" ${ARGN})
  file(GLOB_RECURSE sources CONFIGURE_DEPENDS ${PROJECT_SOURCE_DIR}/${folder}/*.cc)
  list(FILTER sources EXCLUDE REGEX "_test\\.cc$")
  foreach(sub IN LISTS ARG_EXCLUDE)
    list(FILTER sources EXCLUDE REGEX "^${PROJECT_SOURCE_DIR}/${folder}/${sub}/")
  endforeach()
  if(NOT sources AND NOT ARG_ALLOW_EMPTY)
    set(sources ${PROJECT_SOURCE_DIR}/cmake/empty.cc)
  endif()
  set(${out} ${sources} PARENT_SCOPE)
endfunction()

# skein_library(<folder> [LINK <folder>...] [EXCLUDE <sub-folder>...]): static library
# skein_<folder>. LINK names the folders that it may include.
function(skein_library folder)
  cmake_parse_arguments(ARG "" "" "LINK;EXCLUDE" ${ARGN})
  skein_sources(sources ${folder} EXCLUDE ${ARG_EXCLUDE})
  add_library(skein_${folder} STATIC ${sources})
  target_include_directories(skein_${folder} PUBLIC ${PROJECT_SOURCE_DIR})
  list(TRANSFORM ARG_LINK PREPEND skein_)
  target_link_libraries(skein_${folder} PUBLIC ${ARG_LINK})
endfunction()

# skein_back_end(<name>): object library skein_codegen_<name> from codegen/<name>, put into
# skein_codegen.
function(skein_back_end name)
  skein_sources(sources codegen/${name})
  add_library(skein_codegen_${name} OBJECT ${sources})
  target_link_libraries(skein_codegen_${name} PRIVATE skein_ir)
  target_sources(skein_codegen PRIVATE $<TARGET_OBJECTS:skein_codegen_${name}>)
endfunction()

# skein_program(<name> FOLDER <folder> LINK <folder>...): build/<preset>/bin/<name>, if the folder
# has sources.
function(skein_program name)
  cmake_parse_arguments(ARG "" "FOLDER" "LINK" ${ARGN})
  skein_sources(sources ${ARG_FOLDER} ALLOW_EMPTY)
  if(sources)
    add_executable(${name} ${sources})
    list(TRANSFORM ARG_LINK PREPEND skein_)
    target_link_libraries(${name} PRIVATE ${ARG_LINK})
  endif()
endfunction()
