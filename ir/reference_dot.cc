#include <algorithm>
#include <cmath>

#include "ir/op_helpers.h"
#include "ir/reference.h"

namespace skein {
namespace {

constexpr int64_t kDotChunk = 512;

void IntProduct(int64_t m, int64_t n, int64_t k, const int64_t* a, const int64_t* b, int64_t* c) {
  for (int64_t i = 0; i < m; ++i) {
    for (int64_t p = 0; p < k; ++p) {
      uint64_t x = AsUnsigned(a[i * k + p]);
      for (int64_t j = 0; j < n; ++j) {
        c[i * n + j] =
            static_cast<int64_t>(AsUnsigned(c[i * n + j]) + x * AsUnsigned(b[p * n + j]));
      }
    }
  }
}

bool HasError(const RefTensor& t) {
  return std::any_of(t.error.begin(), t.error.end(), [](double e) { return e > 0; });
}

// scale*|value| + error, element by element.
std::vector<double> Weights(const RefTensor& t, double scale) {
  std::vector<double> weights(t.value.size());
  for (size_t i = 0; i < weights.size(); ++i) {
    weights[i] = scale * std::fabs(t.value[i]) + (t.error.empty() ? 0 : t.error[i]);
  }
  return weights;
}

}  // namespace

// The error of sum a*b is at most u sum|a||b| for the roundings, u = (chain + 2) * 2^-24, and
// sum |a| eb + ea |b| + ea eb for the operands' own errors: altogether below
//     sum (|a| + ea)(u|b| + eb) + sum ea |b|,
// two more matrix products, of which the second is needed only if both operands have errors.
RefTensor ReferenceDot(const Node& node, const RefTensor& a, const RefTensor& b,
                       const InterpretOptions& options) {
  size_t rank = a.dims.size();
  int64_t m = a.dims[rank - 2], k = a.dims[rank - 1], n = b.dims[rank - 1], batches = 1;
  for (size_t i = 0; i + 2 < rank; ++i) batches *= a.dims[i];
  std::vector<int64_t> dims = a.dims;
  dims.back() = n;
  ElementType t = node.results[0].element;
  RefTensor y = EmptyTensor(t, std::move(dims), options.track_error);
  double u = static_cast<double>(std::min(k, kDotChunk) + k / kDotChunk + 3) * SumRoundoff(t);
  bool floats = IsFloat(t), errors = options.track_error && floats;
  bool a_error = HasError(a), b_error = HasError(b);
  // With errors in a alone: sum (u|a| + ea)|b|; else sum (|a| + ea)(u|b| + eb).
  bool swap = a_error && !b_error;
  std::vector<double> a_weights, b_weights, a_errors, b_values;
  if (errors) {
    a_weights = Weights(a, swap ? u : 1);
    b_weights = Weights(b, swap ? 1 : u);
    if (a_error && b_error) {
      a_errors = a.error;
      b_values.resize(b.value.size());
      std::transform(b.value.begin(), b.value.end(), b_values.begin(),
                     [](double v) { return std::fabs(v); });
    }
  }
  // Pieces of rows within one batch.
  constexpr int64_t kRowsPerPiece = 64;
  int64_t pieces = (m + kRowsPerPiece - 1) / kRowsPerPiece;
  ForRange(batches * pieces, 1, options.threads, [&](int64_t begin, int64_t end) {
    for (int64_t piece = begin; piece < end; ++piece) {
      int64_t batch = piece / pieces, row = piece % pieces * kRowsPerPiece;
      int64_t rows = std::min(kRowsPerPiece, m - row);
      int64_t at_a = (batch * m + row) * k, at_b = batch * k * n, at_c = (batch * m + row) * n;
      if (!floats) {
        IntProduct(rows, n, k, a.exact.data() + at_a, b.exact.data() + at_b, y.exact.data() + at_c);
        for (int64_t i = at_c; i < at_c + rows * n; ++i) y.exact[i] = WrapTo(t, y.exact[i]);
        if (options.track_error && (a_error || b_error))
          std::fill_n(y.error.begin() + at_c, rows * n, HUGE_VAL);
        continue;
      }
      AddProduct(rows, n, k, a.value.data() + at_a, b.value.data() + at_b, y.value.data() + at_c);
      if (!errors) continue;
      AddProduct(rows, n, k, a_weights.data() + at_a, b_weights.data() + at_b,
                 y.error.data() + at_c);
      if (!a_errors.empty()) {
        AddProduct(rows, n, k, a_errors.data() + at_a, b_values.data() + at_b,
                   y.error.data() + at_c);
      }
      for (int64_t i = at_c; i < at_c + rows * n; ++i) {
        double error = y.error[i] + static_cast<double>(k) * HalfUlp(t, 0);
        if (BitWidth(t) == 16) error += HalfUlp(t, y.value[i]);
        Bounded c = InOrder(t, {y.value[i], error}, !a_error && !b_error, false);
        y.value[i] = c.value;
        y.error[i] = c.error;
      }
    }
  });
  return y;
}

}  // namespace skein
