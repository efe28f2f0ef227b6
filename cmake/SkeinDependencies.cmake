# Outside libraries, all as packaged by Debian 12 (scripts/setup.sh installs them).

find_package(Threads REQUIRED)

find_package(absl CONFIG REQUIRED)
set(SKEIN_ABSL_TARGETS
    absl::bits absl::btree absl::cleanup absl::fixed_array absl::flat_hash_map
    absl::flat_hash_set absl::function_ref absl::hash absl::inlined_vector absl::int128
    absl::node_hash_map absl::span absl::status absl::statusor absl::str_format absl::strings
    absl::synchronization absl::time)

# The classes generated from onnx.proto. Debian's headers need both macros, and its libonnx.so
# (checker, shape inference, operator schemas) is not used.
find_package(Protobuf REQUIRED)
find_path(SKEIN_ONNX_INCLUDE_DIR onnx/onnx-ml.pb.h REQUIRED)
find_library(SKEIN_ONNX_PROTO_LIBRARY onnx_proto REQUIRED)
mark_as_advanced(SKEIN_ONNX_INCLUDE_DIR SKEIN_ONNX_PROTO_LIBRARY)
add_library(skein_onnx INTERFACE)
target_include_directories(skein_onnx SYSTEM INTERFACE ${SKEIN_ONNX_INCLUDE_DIR})
target_compile_definitions(skein_onnx INTERFACE ONNX_ML=1 ONNX_NAMESPACE=onnx)
target_link_libraries(skein_onnx INTERFACE ${SKEIN_ONNX_PROTO_LIBRARY} protobuf::libprotobuf)

if(SKEIN_LLVM)
  # The imported target LLVM is the shared libLLVM. The version test of LLVM's package file takes
  # any 19.1.x and nothing else.
  find_package(LLVM 19.1 CONFIG REQUIRED PATHS /usr/lib/llvm-19)
  if(NOT TARGET LLVM)
    message(FATAL_ERROR "LLVM ${LLVM_PACKAGE_VERSION} in ${LLVM_DIR} has no shared libLLVM")
  endif()
  # skein_llvm: the shared libLLVM, or for an executable with the property SKEIN_LLVM_ARCHIVES the archives,
  # where they are there: loading libLLVM, which has every target, takes a process 13 ms before main, of archives
  # an executable has only what it needs, in 2 ms. Files by name: LLVM's imported targets would ask for more -dev packages.
  add_library(skein_llvm INTERFACE)
  execute_process(
    COMMAND ${LLVM_TOOLS_BINARY_DIR}/llvm-config --link-static --libfiles passes x86codegen x86disassembler
    OUTPUT_VARIABLE skein_llvm_archives OUTPUT_STRIP_TRAILING_WHITESPACE ERROR_QUIET)
  separate_arguments(skein_llvm_archives)
  find_library(SKEIN_ZLIB_LIBRARY NAMES z libz.so.1)
  find_library(SKEIN_ZSTD_LIBRARY NAMES zstd libzstd.so.1)
  mark_as_advanced(SKEIN_ZLIB_LIBRARY SKEIN_ZSTD_LIBRARY)
  if(skein_llvm_archives AND SKEIN_ZLIB_LIBRARY AND SKEIN_ZSTD_LIBRARY AND NOT SKEIN_SANITIZE)
    add_library(skein_llvm_archives INTERFACE)
    target_link_libraries(skein_llvm_archives INTERFACE
                          ${skein_llvm_archives} ${SKEIN_ZLIB_LIBRARY} ${SKEIN_ZSTD_LIBRARY} ${CMAKE_DL_LIBS})
    target_link_options(skein_llvm_archives INTERFACE -Wl,--gc-sections)  # a fifth of what the loader relocates
    target_link_libraries(skein_llvm INTERFACE
                          $<IF:$<BOOL:$<TARGET_PROPERTY:SKEIN_LLVM_ARCHIVES>>,skein_llvm_archives,LLVM>)
  else()
    target_link_libraries(skein_llvm INTERFACE LLVM)
  endif()
endif()

if(SKEIN_XBYAK)
  find_path(SKEIN_XBYAK_INCLUDE_DIR xbyak/xbyak.h REQUIRED)
  mark_as_advanced(SKEIN_XBYAK_INCLUDE_DIR)
endif()

if(SKEIN_TESTS)
  find_package(GTest REQUIRED)
endif()
if(SKEIN_BENCH)
  find_package(benchmark REQUIRED)
  # A family of skein-bench runs oneDNN's kernels beside ours where it is installed. Its 3.x API is
  # another one.
  find_package(dnnl 2.6 QUIET CONFIG)
  find_package(OpenMP QUIET COMPONENTS CXX)
endif()
