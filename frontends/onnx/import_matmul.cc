// Matrix products.
#include "frontends/onnx/op_table.h"

namespace skein {
namespace {

// numpy's matmul: rank 1 counts as one row or one column, leading dims repeat.
Value Product(NodeImport& n, Value a, Value b) {
  if (!n.ok()) return Value();
  if (n.rank(a) == 0 || n.rank(b) == 0) {
    return n.Fail("cannot multiply ", n.type(a).ToString(), " by ", n.type(b).ToString());
  }
  bool row = n.rank(a) == 1, column = n.rank(b) == 1;
  if (row) a = n.Reshape(a, {DimExpr(1), n.dims(a)[0]});
  if (column) b = n.Reshape(b, {n.dims(b)[0], DimExpr(1)});
  if (!n.ok()) return Value();

  Dims da = n.dims(a), db = n.dims(b);
  DimExpr k = n.SameDim(da.back(), db[db.size() - 2]);
  if (!n.ok()) return Value();
  DimExpr rows = da[da.size() - 2], columns = db.back();
  Dims batch(da.begin(), da.end() - 2);
  Value product;
  if (db.size() == 2 && da.size() > 2) {
    // One matrix for all: the leading dims are more rows.
    DimExpr all_rows = rows;
    for (DimExpr d : batch) all_rows = all_rows * d;
    product = n.Emit(Op::dot, {n.Reshape(a, {all_rows, k}), b});
  } else {
    batch = n.CommonDims(batch, Dims(db.begin(), db.end() - 2));
    Dims wide_a = batch, wide_b = batch;
    wide_a.insert(wide_a.end(), {rows, k});
    wide_b.insert(wide_b.end(), {k, columns});
    product = n.Emit(Op::dot, {n.BroadcastTo(a, wide_a), n.BroadcastTo(b, wide_b)});
  }
  Dims result = batch;
  if (!row) result.push_back(rows);
  if (!column) result.push_back(columns);
  return n.Reshape(product, result);
}

Value Times(NodeImport& n, Value x, double factor) {
  return factor == 1 ? x : n.Emit(Op::mul, {x, n.SplatLike(x, factor)});
}

void MatMul(NodeImport& n) { n.Out(0, Product(n, n.In(0), n.In(1))); }

// alpha A B + beta C
void Gemm(NodeImport& n) {
  Value a = n.In(0), b = n.In(1);
  if (n.rank(a) != 2 || n.rank(b) != 2) {
    n.Fail("expected matrices, got ", n.type(a).ToString(), " and ", n.type(b).ToString());
    return;
  }
  if (n.Int("transA", 0) != 0) a = n.TransposeLast(a);
  if (n.Int("transB", 0) != 0) b = n.TransposeLast(b);
  Value result = Times(n, Product(n, a, b), n.Float("alpha", 1));
  double beta = n.Float("beta", 1);
  if (n.Has(2) && beta != 0) {
    Value c = Times(n, n.In(2), beta);
    result = n.Emit(Op::add, {result, n.BroadcastTo(c, n.dims(result))});
  }
  n.Out(0, result);
}

// alpha A B with either matrix transposed on the way.
void FusedMatMul(NodeImport& n) {
  if (n.Int("transBatchA", 0) != 0 || n.Int("transBatchB", 0) != 0) {
    n.Unsupported("transposed batches");
    return;
  }
  Value a = n.Int("transA", 0) != 0 ? n.TransposeLast(n.In(0)) : n.In(0);
  Value b = n.Int("transB", 0) != 0 ? n.TransposeLast(n.In(1)) : n.In(1);
  n.Out(0, Times(n, Product(n, a, b), n.Float("alpha", 1)));
}

// x - zero_point as i32; a vector of zero points belongs to the rows of A or the columns of B.
Value Centred(NodeImport& n, Value x, Value zero_point, bool rows) {
  x = n.Cast(x, ElementType::kI32);
  if (!zero_point.valid()) return x;
  zero_point = n.Cast(zero_point, ElementType::kI32);
  if (rows && n.rank(zero_point) == 1) {
    zero_point = n.Reshape(zero_point, {n.dims(zero_point)[0], DimExpr(1)});
  }
  return n.Binary(Op::sub, x, zero_point);
}

void MatMulInteger(NodeImport& n) {
  Value a = Centred(n, n.In(0), n.In(2), /*rows=*/true);
  Value b = Centred(n, n.In(1), n.In(3), /*rows=*/false);
  n.Out(0, Product(n, a, b));
}

constexpr OnnxOp kOps[] = {
    {"Gemm", 2, 3, Gemm},
    {"MatMul", 2, 2, MatMul},
    {"MatMulInteger", 2, 4, MatMulInteger},
    {"com.microsoft.FusedMatMul", 2, 2, FusedMatMul},
};

}  // namespace

std::span<const OnnxOp> MatMulOps() { return kOps; }

}  // namespace skein
