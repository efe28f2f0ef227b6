// A blocked f64 matrix product for the reference: packed panels of b in the cache, 4 x 8 results in
// registers.
#include <algorithm>
#include <vector>

#include "ir/reference.h"

#if defined(__x86_64__)
#include <immintrin.h>
#endif

namespace skein {
namespace {

constexpr int64_t kRows = 4, kColumns = 16;
constexpr int64_t kDepth = 128;           // k of a block: a panel of b is 16 KiB
constexpr int64_t kWide = 32 * kColumns;  // n of a block: 512 KiB of b, the second-level cache

// c[4, 16] += a[4, k] * panel[k, 16]
using Tile = void (*)(int64_t k, const double* a, int64_t lda, const double* panel, double* c,
                      int64_t ldc);

void PortableTile(int64_t k, const double* a, int64_t lda, const double* panel, double* c,
                  int64_t ldc) {
  for (int64_t i = 0; i < kRows; ++i) {
    double sum[kColumns] = {};
    for (int64_t p = 0; p < k; ++p) {
      for (int64_t j = 0; j < kColumns; ++j) sum[j] += a[i * lda + p] * panel[p * kColumns + j];
    }
    for (int64_t j = 0; j < kColumns; ++j) c[i * ldc + j] += sum[j];
  }
}

#if defined(__x86_64__)
// Eight columns at a time: 4 x 8 results are what 16 registers hold.
__attribute__((target("avx2,fma"))) void Avx2Tile(int64_t k, const double* a, int64_t lda,
                                                  const double* panel, double* c, int64_t ldc) {
  for (int64_t j = 0; j < kColumns; j += 8) {
    __m256d sum[kRows][2];
    for (auto& row : sum) row[0] = row[1] = _mm256_setzero_pd();
    for (int64_t p = 0; p < k; ++p) {
      const double* b = panel + p * kColumns + j;
      __m256d b0 = _mm256_loadu_pd(b), b1 = _mm256_loadu_pd(b + 4);
#pragma GCC unroll 4
      for (int64_t i = 0; i < kRows; ++i) {
        __m256d x = _mm256_broadcast_sd(a + i * lda + p);
        sum[i][0] = _mm256_fmadd_pd(x, b0, sum[i][0]);
        sum[i][1] = _mm256_fmadd_pd(x, b1, sum[i][1]);
      }
    }
    for (int64_t i = 0; i < kRows; ++i) {
      for (int half = 0; half < 2; ++half) {
        double* to = c + i * ldc + j + 4 * half;
        _mm256_storeu_pd(to, _mm256_add_pd(_mm256_loadu_pd(to), sum[i][half]));
      }
    }
  }
}

__attribute__((target("avx512f"))) void Avx512Tile(int64_t k, const double* a, int64_t lda,
                                                   const double* panel, double* c, int64_t ldc) {
  __m512d sum[kRows][2];
  for (auto& row : sum) row[0] = row[1] = _mm512_setzero_pd();
  for (int64_t p = 0; p < k; ++p) {
    __m512d b0 = _mm512_loadu_pd(panel + p * kColumns);
    __m512d b1 = _mm512_loadu_pd(panel + p * kColumns + 8);
#pragma GCC unroll 4
    for (int64_t i = 0; i < kRows; ++i) {
      __m512d x = _mm512_set1_pd(a[i * lda + p]);
      sum[i][0] = _mm512_fmadd_pd(x, b0, sum[i][0]);
      sum[i][1] = _mm512_fmadd_pd(x, b1, sum[i][1]);
    }
  }
  for (int64_t i = 0; i < kRows; ++i) {
    for (int half = 0; half < 2; ++half) {
      double* to = c + i * ldc + 8 * half;
      _mm512_storeu_pd(to, _mm512_add_pd(_mm512_loadu_pd(to), sum[i][half]));
    }
  }
}
#endif

Tile BestTile() {
#if defined(__x86_64__)
  if (__builtin_cpu_supports("avx512f")) return Avx512Tile;
  if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma")) return Avx2Tile;
#endif
  return PortableTile;
}

// b[k0.., n0..] as panels of 16 columns, the last one filled up with zeros.
void Pack(const double* b, int64_t ldb, int64_t k, int64_t n, double* packed) {
  for (int64_t j = 0; j < n; j += kColumns) {
    int64_t width = std::min(kColumns, n - j);
    for (int64_t p = 0; p < k; ++p) {
      for (int64_t i = 0; i < kColumns; ++i) *packed++ = i < width ? b[p * ldb + j + i] : 0;
    }
  }
}

}  // namespace

void AddProduct(int64_t m, int64_t n, int64_t k, const double* a, const double* b, double* c) {
  if (m < kRows) {  // too few to be worth packing b
    for (int64_t i = 0; i < m; ++i) {
      for (int64_t p = 0; p < k; ++p) {
        double x = a[i * k + p];
        for (int64_t j = 0; j < n; ++j) c[i * n + j] += x * b[p * n + j];
      }
    }
    return;
  }
  static const Tile tile = BestTile();
  std::vector<double> packed(
      static_cast<size_t>(std::min(k, kDepth) * (std::min(n, kWide) + kColumns)));
  for (int64_t k0 = 0; k0 < k; k0 += kDepth) {
    int64_t depth = std::min(kDepth, k - k0);
    for (int64_t n0 = 0; n0 < n; n0 += kWide) {
      int64_t wide = std::min(kWide, n - n0);
      Pack(b + k0 * n + n0, n, depth, wide, packed.data());
      for (int64_t i = 0; i < m; i += kRows) {
        for (int64_t j = 0; j < wide; j += kColumns) {
          const double* panel = packed.data() + j * depth;
          const double* rows = a + i * k + k0;
          double* to = c + i * n + n0 + j;
          if (i + kRows <= m && j + kColumns <= wide) {
            tile(depth, rows, k, panel, to, n);
            continue;
          }
          // An edge goes through a full tile on the side.
          double edge_a[kRows * kDepth] = {}, edge_c[kRows * kColumns] = {};
          int64_t height = std::min(kRows, m - i), width = std::min(kColumns, wide - j);
          for (int64_t r = 0; r < height; ++r) std::copy_n(rows + r * k, depth, edge_a + r * depth);
          tile(depth, edge_a, depth, panel, edge_c, kColumns);
          for (int64_t r = 0; r < height; ++r) {
            for (int64_t q = 0; q < width; ++q) to[r * n + q] += edge_c[r * kColumns + q];
          }
        }
      }
    }
  }
}

}  // namespace skein
