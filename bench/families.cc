#include "bench/families.h"

namespace skein {
namespace {

constexpr Family kFamilies[] = {
    {"ceilings", "memory streams per cache level and the multiply-add peak", AddCeilings},
    {"pointwise", "one op, chains, bias + GELU, SwiGLU, dequantize + add + relu", AddPointwise},
    {"softmax", "softmax and log-softmax over rows, long, short and masked", AddSoftmax},
    {"norm", "layer norm with and without a residual, RMS norm", AddNorms},
    {"reduce", "sum, mean, max, argmax over inner, middle and outer axes", AddReductions},
    {"transpose", "of a matrix, alone and fused with an addition", AddTransposes},
    {"gather", "rows of a table, with the arithmetic that follows", AddGathers},
    {"concat", "of odd widths", AddConcats},
    {"scan", "cumulative sums", AddScans},
    {"convert", "f16, bf16, i8, u8, i4 in, f32 arithmetic, and back", AddConversions},
    {"fusion", "chains fused and op by op", AddFusion},
    {"gemm", "activations times packed weights", AddGemm},
#ifdef SKEIN_HAVE_ONEDNN
    {"onednn", "the same kernels beside oneDNN's", AddOneDnn},
#endif
};

}  // namespace

std::span<const Family> Families() { return kFamilies; }

}  // namespace skein
