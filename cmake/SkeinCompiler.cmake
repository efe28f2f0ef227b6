# Compiler and linker settings that hold for every target.

set(CMAKE_CXX_STANDARD 20)
set(CMAKE_CXX_STANDARD_REQUIRED ON)
set(CMAKE_CXX_EXTENSIONS OFF)
set(CMAKE_EXPORT_COMPILE_COMMANDS ON)
set(CMAKE_POSITION_INDEPENDENT_CODE ON)  # hosts link the libraries into shared objects
set(CMAKE_RUNTIME_OUTPUT_DIRECTORY ${PROJECT_BINARY_DIR}/bin)

if(NOT CMAKE_BUILD_TYPE)
  set(CMAKE_BUILD_TYPE Release CACHE STRING "Build type" FORCE)
endif()
set(CMAKE_CXX_FLAGS_RELEASE "-O2 -g0 -DNDEBUG")

add_compile_options(
  -Wall -Wextra
  -Wno-missing-field-initializers  # GCC 12 warns at every partial designated initializer
  # Numerics contract: a multiply and an add stay two roundings unless fma is written.
  -ffp-contract=off)

if(SKEIN_SANITIZE)
  set(CMAKE_CXX_FLAGS_RELWITHDEBINFO "-O1 -g1")
  set(CMAKE_CXX_FLAGS_DEBUG "-O1 -g1")
  set(CMAKE_CXX_FLAGS_RELEASE "-O1 -g1")
  set(skein_sanitize_flags -fsanitize=${SKEIN_SANITIZE} -fno-sanitize-recover=all
                           -fno-omit-frame-pointer)
  add_compile_options(${skein_sanitize_flags})
  add_link_options(${skein_sanitize_flags})
endif()

include(CheckLinkerFlag)
foreach(linker mold lld)
  check_linker_flag(CXX -fuse-ld=${linker} SKEIN_HAVE_LINKER_${linker})
  if(SKEIN_HAVE_LINKER_${linker})
    add_link_options(-fuse-ld=${linker})
    break()
  endif()
endforeach()

find_program(SKEIN_CCACHE ccache)
mark_as_advanced(SKEIN_CCACHE)
if(SKEIN_CCACHE AND NOT CMAKE_CXX_COMPILER_LAUNCHER)
  set(CMAKE_CXX_COMPILER_LAUNCHER ${SKEIN_CCACHE})
endif()
