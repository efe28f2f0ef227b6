# Outside libraries, all as packaged by Debian 12 (scripts/setup.sh installs them).

find_package(Threads REQUIRED)

# An executable with the property SKEIN_ARCHIVES takes all libraries but libc from archives, and lies where it was linked:
# loading Abseil's 30 shared libraries, protobuf's, libstdc++ and libLLVM, which has every target, takes a process 20 ms
# before main, of archives an executable has only what it needs, resolved, in 1 ms. Only where all are there.
find_library(SKEIN_ABSL_ARCHIVE NAMES libabsl_base.a)
find_library(SKEIN_PROTOBUF_ARCHIVE NAMES libprotobuf.a)
find_library(SKEIN_ZLIB_ARCHIVE NAMES libz.a)
find_library(SKEIN_ZSTD_ARCHIVE NAMES libzstd.a)
mark_as_advanced(SKEIN_ABSL_ARCHIVE SKEIN_PROTOBUF_ARCHIVE SKEIN_ZLIB_ARCHIVE SKEIN_ZSTD_ARCHIVE)
set(skein_llvm_archives "")
if(SKEIN_LLVM)
  # The imported target LLVM is the shared libLLVM. The version test of LLVM's package file takes
  # any 19.1.x and nothing else.
  find_package(LLVM 19.1 CONFIG REQUIRED PATHS /usr/lib/llvm-19)
  if(NOT TARGET LLVM)
    message(FATAL_ERROR "LLVM ${LLVM_PACKAGE_VERSION} in ${LLVM_DIR} has no shared libLLVM")
  endif()
  # Files by name: LLVM's imported targets would ask for more -dev packages.
  execute_process(
    COMMAND ${LLVM_TOOLS_BINARY_DIR}/llvm-config --link-static --libfiles passes x86codegen x86disassembler
    OUTPUT_VARIABLE skein_llvm_archives OUTPUT_STRIP_TRAILING_WHITESPACE ERROR_QUIET)
  separate_arguments(skein_llvm_archives)
endif()
set(skein_have_archives OFF)
if(SKEIN_ABSL_ARCHIVE AND SKEIN_PROTOBUF_ARCHIVE AND SKEIN_ZLIB_ARCHIVE AND SKEIN_ZSTD_ARCHIVE
   AND (skein_llvm_archives OR NOT SKEIN_LLVM) AND NOT SKEIN_SANITIZE)
  set(skein_have_archives ON)
endif()

# skein_shared_or_archives(<name> SHARED <library>... ARCHIVES <archive>...): interface library <name>.
function(skein_shared_or_archives name)
  cmake_parse_arguments(ARG "" "" "SHARED;ARCHIVES" ${ARGN})
  add_library(${name} INTERFACE)
  add_library(${name}_shared INTERFACE)
  target_link_libraries(${name}_shared INTERFACE ${ARG_SHARED})
  if(NOT skein_have_archives)
    target_link_libraries(${name} INTERFACE ${name}_shared)
    return()
  endif()
  add_library(${name}_archives INTERFACE)
  target_link_libraries(${name}_archives INTERFACE ${ARG_ARCHIVES})
  # --gc-sections: a fifth of what LLVM's constructors and tables would touch. The 600 constructors side by side.
  target_link_options(${name}_archives INTERFACE -no-pie -static-libstdc++ -static-libgcc
                                                 -Wl,--gc-sections -Wl,-z,keep-text-section-prefix)
  target_link_libraries(${name} INTERFACE
                        $<IF:$<BOOL:$<TARGET_PROPERTY:SKEIN_ARCHIVES>>,${name}_archives,${name}_shared>)
endfunction()

find_package(absl CONFIG REQUIRED)
cmake_path(GET SKEIN_ABSL_ARCHIVE PARENT_PATH skein_absl_folder)
file(GLOB skein_absl_archives ${skein_absl_folder}/libabsl_*.a)
skein_shared_or_archives(
  skein_absl
  SHARED absl::bits absl::btree absl::cleanup absl::fixed_array absl::flat_hash_map
         absl::flat_hash_set absl::function_ref absl::hash absl::inlined_vector absl::int128
         absl::node_hash_map absl::span absl::status absl::statusor absl::str_format absl::strings
         absl::synchronization absl::time
  ARCHIVES "$<LINK_GROUP:RESCAN,${skein_absl_archives}>")

# The classes of onnx.proto, generated here: Debian has them as a shared library only, and its libonnx.so
# (checker, shape inference, operator schemas) is not used. Debian's header needs both macros.
find_package(Protobuf REQUIRED)
if(NOT TARGET protobuf::protoc)
  message(FATAL_ERROR "there is no protoc")
endif()
find_path(SKEIN_ONNX_INCLUDE_DIR onnx/onnx.proto REQUIRED)
mark_as_advanced(SKEIN_ONNX_INCLUDE_DIR)
skein_shared_or_archives(skein_protobuf SHARED protobuf::libprotobuf ARCHIVES ${SKEIN_PROTOBUF_ARCHIVE} ${SKEIN_ZLIB_ARCHIVE})
set(skein_onnx_folder ${PROJECT_BINARY_DIR}/generated/protobuf)
file(READ ${SKEIN_ONNX_INCLUDE_DIR}/onnx/onnx.proto skein_onnx_proto)
string(REPLACE "option optimize_for = LITE_RUNTIME;" "" skein_onnx_proto "${skein_onnx_proto}")  # as onnx_pb.h has it
file(CONFIGURE OUTPUT ${skein_onnx_folder}/onnx/onnx-ml.proto CONTENT "${skein_onnx_proto}" @ONLY)
add_custom_command(
  OUTPUT ${skein_onnx_folder}/onnx/onnx-ml.pb.cc ${skein_onnx_folder}/onnx/onnx-ml.pb.h
  COMMAND protobuf::protoc --proto_path=${skein_onnx_folder} --cpp_out=${skein_onnx_folder} onnx/onnx-ml.proto
  DEPENDS ${skein_onnx_folder}/onnx/onnx-ml.proto)
add_library(skein_onnx STATIC ${skein_onnx_folder}/onnx/onnx-ml.pb.cc ${skein_onnx_folder}/onnx/onnx-ml.pb.h)
target_include_directories(skein_onnx SYSTEM PUBLIC ${skein_onnx_folder} ${SKEIN_ONNX_INCLUDE_DIR})
target_compile_definitions(skein_onnx PUBLIC ONNX_ML=1 ONNX_NAMESPACE=onnx)
target_link_libraries(skein_onnx PUBLIC skein_protobuf)

if(SKEIN_LLVM)
  skein_shared_or_archives(
    skein_llvm SHARED LLVM
    ARCHIVES ${skein_llvm_archives} ${SKEIN_ZLIB_ARCHIVE} ${SKEIN_ZSTD_ARCHIVE} ${CMAKE_DL_LIBS})
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
