// Reshapes, transposes, splits, repeats: elements move, none is computed.
#include <algorithm>
#include <numeric>

#include "frontends/onnx/op_table.h"
#include "ir/op.h"

namespace skein {
namespace {

// The atoms and the constant of a product of dims.
struct Factors {
  int64_t constant = 1;
  Dims atoms;
};

Factors FactorsOf(const Dims& dims) {
  Factors result;
  for (DimExpr d : dims) {
    if (d.IsConst()) {
      if (__builtin_mul_overflow(result.constant, d.constant(), &result.constant)) {
        result.constant = INT64_MAX;
      }
    } else if (d.kind() == DimKind::kMul) {
      for (DimExpr f : d.operands()) {
        if (f.IsConst()) {
          if (__builtin_mul_overflow(result.constant, f.constant(), &result.constant)) {
            result.constant = INT64_MAX;
          }
        } else {
          result.atoms.push_back(f);
        }
      }
    } else {
      result.atoms.push_back(d);
    }
  }
  return result;
}

// The product of `all` divided by that of `part`: equal factors cancel; what is left must divide,
// which is assumed where it cannot be proved.
DimExpr Quotient(NodeImport& n, const Dims& all, const Dims& part) {
  Factors numerator = FactorsOf(all), denominator = FactorsOf(part);
  if (denominator.constant == 0) {
    n.Fail("cannot infer the dim -1 of an empty tensor");
    return 0;
  }
  int64_t common = std::gcd(numerator.constant, denominator.constant);
  Dims rest = {DimExpr(denominator.constant / common)};
  for (DimExpr atom : denominator.atoms) {
    auto found = std::find(numerator.atoms.begin(), numerator.atoms.end(), atom);
    if (found != numerator.atoms.end()) {
      numerator.atoms.erase(found);
    } else {
      rest.push_back(atom);
    }
  }
  numerator.atoms.push_back(DimExpr(numerator.constant / common));
  DimExpr above = Product(numerator.atoms), below = Product(rest);
  if (below.IsConst(1)) return above;
  DimExpr quotient = FloorDiv(above, below);
  n.Assume(Equal(quotient * below, above),
           absl::StrCat(below.ToString(), " divides ", above.ToString()));
  return quotient;
}

void Reshape(NodeImport& n) {
  Value x = n.In(0);
  Dims target;
  if (n.opset() < 5) {
    for (int64_t d : n.Ints("shape").value_or(std::vector<int64_t>())) target.push_back(d);
  } else {
    target = n.KnownList(n.In(1), "shape");
  }
  if (!n.ok()) return;
  Dims from = n.dims(x);
  int inferred = -1;
  for (size_t i = 0; i < target.size(); ++i) {
    if (target[i].IsConst(0) && n.Int("allowzero", 0) == 0) {
      if (i >= from.size()) {
        n.Fail("shape ", ToString(target), " copies dim ", i, " of ", n.type(x).ToString());
        return;
      }
      target[i] = from[i];
    } else if (target[i].IsConst(-1)) {
      if (inferred >= 0) {
        n.Fail("shape ", ToString(target), " has more than one -1");
        return;
      }
      inferred = static_cast<int>(i);
    } else if (ProveLess(target[i], 0)) {
      n.Fail("shape ", ToString(target), " has a negative dim");
      return;
    }
  }
  if (inferred >= 0) {
    Dims others = target;
    others.erase(others.begin() + inferred);
    target[inferred] = Quotient(n, from, others);
  }
  n.Out(0, n.Reshape(x, target));
}

void Flatten(NodeImport& n) {
  Value x = n.In(0);
  Dims from = n.dims(x);
  int64_t axis = n.Int("axis", 1), rank = n.rank(x);
  if (axis < -rank || axis > rank) {
    n.Fail("axis ", axis, " of ", n.type(x).ToString());
    return;
  }
  if (axis < 0) axis += rank;
  std::span<const DimExpr> all(from);
  n.Out(0, n.Reshape(x, {Product(all.first(axis)), Product(all.subspan(axis))}));
}

// Axes as an attribute before opset 13, as an input since. Nullopt: not given.
std::optional<std::vector<int64_t>> AxesOf(NodeImport& n) {
  if (n.Has(1)) return n.KnownInts(n.In(1), "list of axes");
  return n.Ints("axes");
}

void Squeeze(NodeImport& n) {
  Value x = n.In(0);
  Dims dims = n.dims(x);
  std::vector<int64_t> axes;
  if (std::optional<std::vector<int64_t>> given = AxesOf(n)) {
    axes = n.Axes(*given, n.rank(x));
  } else {
    for (int i = 0; i < n.rank(x); ++i) {
      if (dims[i].IsConst(1)) axes.push_back(i);
    }
  }
  if (!n.ok()) return;
  for (size_t i = axes.size(); i-- > 0;) {
    n.SameDim(dims[axes[i]], 1);
    dims.erase(dims.begin() + axes[i]);
  }
  n.Out(0, n.Reshape(x, dims));
}

void Unsqueeze(NodeImport& n) {
  Value x = n.In(0);
  std::optional<std::vector<int64_t>> given = AxesOf(n);
  if (!given) {
    n.Fail("its axes are missing");
    return;
  }
  Dims dims = n.dims(x);
  for (int64_t axis : n.Axes(*given, n.rank(x) + static_cast<int>(given->size()))) {
    dims.insert(dims.begin() + axis, DimExpr(1));
  }
  if (n.ok()) n.Out(0, n.Reshape(x, dims));
}

void Transpose(NodeImport& n) {
  Value x = n.In(0);
  std::vector<int64_t> reversed(n.rank(x));
  std::iota(reversed.rbegin(), reversed.rend(), 0);
  n.Out(0, n.Transpose(x, n.Ints("perm").value_or(reversed)));
}

void Expand(NodeImport& n) {
  Value x = n.In(0);
  Dims target = n.KnownList(n.In(1), "shape");
  for (DimExpr d : target) {
    if (ProveLess(d, 0)) n.Fail("shape ", ToString(target), " has a negative dim");
  }
  if (n.ok()) n.Out(0, n.BroadcastTo(x, n.CommonDims(n.dims(x), target)));
}

void Tile(NodeImport& n) {
  Value x = n.In(0);
  Dims repeats = n.KnownList(n.In(1), "list of repeats"), dims = n.dims(x), split, wide, result;
  if (n.ok() && repeats.size() != dims.size()) {
    n.Fail(repeats.size(), " repeats for ", n.type(x).ToString());
  }
  if (!n.ok()) return;
  for (size_t i = 0; i < dims.size(); ++i) {
    if (ProveLess(repeats[i], 0)) n.Fail("repeats ", ToString(repeats));
    split.insert(split.end(), {DimExpr(1), dims[i]});
    wide.insert(wide.end(), {repeats[i], dims[i]});
    result.push_back(repeats[i] * dims[i]);
  }
  bool once = std::all_of(repeats.begin(), repeats.end(), [](DimExpr r) { return r.IsConst(1); });
  if (once) return n.Out(0, x);
  n.Out(0, n.Reshape(n.Emit(Op::broadcast, {n.Reshape(x, split)}, {{"dims", wide}}), result));
}

void Concat(NodeImport& n) {
  int axis = n.Axis(n.Int("axis", n.opset() < 4 ? 1 : 0), n.rank(n.In(0)));
  if (!n.ok()) return;
  std::vector<Value> values;
  Dims first = n.dims(n.In(0));
  for (int i = 0; i < n.input_count(); ++i) {
    Dims dims = n.dims(n.In(i));
    if (dims.size() != first.size() || n.element(n.In(i)) != n.element(n.In(0))) {
      n.Fail("cannot concatenate ", n.type(n.In(0)).ToString(), " and ",
             n.type(n.In(i)).ToString());
      return;
    }
    for (int j = 0; j < n.rank(n.In(0)); ++j) {
      if (j != axis) n.SameDim(first[j], dims[j]);
    }
    values.push_back(n.In(i));
  }
  n.Out(0, n.Concat(values, axis));
}

// Sizes of the parts: given, or equal ones (the last may be smaller since num_outputs came).
Dims SplitSizes(NodeImport& n, DimExpr extent) {
  if (n.Has(1)) return n.KnownList(n.In(1), "list of sizes");
  if (std::optional<std::vector<int64_t>> given = n.Ints("split")) {
    return Dims(given->begin(), given->end());
  }
  int64_t parts = n.output_count();
  if (n.Int("num_outputs", parts) != parts) {
    n.Fail(n.Int("num_outputs", parts), " parts for ", parts, " outputs");
    return {};
  }
  bool uneven = n.HasAttribute("num_outputs") && extent.IsConst();
  DimExpr size = uneven ? CeilDiv(extent, parts) : Quotient(n, {extent}, {DimExpr(parts)});
  Dims sizes(parts, size);
  if (uneven) sizes.back() = extent - size * DimExpr(parts - 1);
  return sizes;
}

void Split(NodeImport& n) {
  Value x = n.In(0);
  int axis = n.Axis(n.Int("axis", 0), n.rank(x));
  if (!n.ok()) return;
  DimExpr extent = n.dims(x)[axis], start = 0;
  Dims sizes = SplitSizes(n, extent);
  if (n.ok() && static_cast<int>(sizes.size()) != n.output_count()) {
    n.Fail(sizes.size(), " parts for ", n.output_count(), " outputs");
  }
  DimExpr total = 0;
  for (DimExpr size : sizes) {
    total = total + size;
    if (ProveLess(size, 0)) n.Fail("parts ", ToString(sizes), " of ", extent.ToString());
  }
  n.SameDim(total, extent);
  if (!n.ok()) return;
  for (int i = 0; i < n.output_count(); ++i) {
    n.Out(i, n.SliceAxis(x, axis, start, sizes[i]));
    start = start + sizes[i];
  }
}

// --- blocks and triangles ---

void DepthToSpace(NodeImport& n) {
  Value x = n.In(0);
  Dims d = n.dims(x);
  int64_t block = n.Int("blocksize", 0);
  if (n.rank(x) != 4 || block <= 0 || block > INT32_MAX) {
    n.Fail("blocks of ", block, " in ", n.type(x).ToString());
    return;
  }
  DimExpr b = block, channels = Quotient(n, {d[1]}, {b, b});
  bool depth_first = n.String("mode", "DCR") == "DCR";
  Dims split =
      depth_first ? Dims{d[0], b, b, channels, d[2], d[3]} : Dims{d[0], channels, b, b, d[2], d[3]};
  std::vector<int64_t> order =
      depth_first ? std::vector<int64_t>{0, 3, 4, 1, 5, 2} : std::vector<int64_t>{0, 1, 4, 2, 5, 3};
  Value y = n.Transpose(n.Reshape(x, split), order);
  n.Out(0, n.Reshape(y, {d[0], channels, d[2] * b, d[3] * b}));
}

void SpaceToDepth(NodeImport& n) {
  Value x = n.In(0);
  Dims d = n.dims(x);
  int64_t block = n.Int("blocksize", 0);
  if (n.rank(x) != 4 || block <= 0 || block > INT32_MAX) {
    n.Fail("blocks of ", block, " in ", n.type(x).ToString());
    return;
  }
  DimExpr b = block, height = Quotient(n, {d[2]}, {b}), width = Quotient(n, {d[3]}, {b});
  Value y = n.Transpose(n.Reshape(x, {d[0], d[1], height, b, width, b}), {0, 3, 5, 1, 2, 4});
  n.Out(0, n.Reshape(y, {d[0], d[1] * b * b, height, width}));
}

// Elements on one side of diagonal k; zeros on the other.
void Trilu(NodeImport& n) {
  Value x = n.In(0);
  if (n.rank(x) < 2) {
    n.Fail("no matrices in ", n.type(x).ToString());
    return;
  }
  DimExpr k = n.Has(1) ? n.KnownScalar(n.In(1), "diagonal") : DimExpr(0);
  Dims dims = n.dims(x), coords = CoordsOf(dims);
  DimExpr row = coords[dims.size() - 2], column = coords.back();
  bool upper = n.Int("upper", 1) != 0;
  DimExpr keep = upper ? Less(row + k, column + 1) : Less(column, row + k + 1);
  n.Out(0, n.Select(n.Index(ElementType::kBool, dims, keep), x, n.SplatLike(x, 0)));
}

constexpr OnnxOp kOps[] = {
    {"Concat", 1, kAnyCount, Concat},
    {"DepthToSpace", 1, 1, DepthToSpace},
    {"Expand", 2, 2, Expand},
    {"Flatten", 1, 1, Flatten},
    {"Reshape", 1, 2, Reshape},
    {"SpaceToDepth", 1, 1, SpaceToDepth},
    {"Split", 1, 2, Split},
    {"Squeeze", 1, 2, Squeeze},
    {"Tile", 2, 2, Tile},
    {"Transpose", 1, 1, Transpose},
    {"Trilu", 1, 2, Trilu},
    {"Unsqueeze", 1, 2, Unsqueeze},
};

}  // namespace

std::span<const OnnxOp> MovementOps() { return kOps; }

}  // namespace skein
