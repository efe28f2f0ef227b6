// LoopNest: what a kernel produces, bit for bit. Structured loops over a flat SSA body of vector
// operations; the contract between fusion/kernels (writers) and codegen (readers).
//
// A LoopNest has buffers (tensors in memory, and scratch private to one worker), arguments (run-time
// int64 scalars), and one body. The body is a tree of blocks of instructions; a loop is an
// instruction that owns a block. Values are SSA: a vector of 1..64 lanes of one element type
// (1 lane = scalar). Integer index arithmetic that does not depend on data is not spelled with
// instructions but with DimExprs, in which
//     Coord(k, extent)  is the index of loop number k,
//     Symbol("a3")      is argument 3,
//     Value(id)         is the SSA scalar i64 (1 lane) `id`.
// A DimExpr inside an instruction may mention the loops around it and values that dominate it.
//
// Loops. `for k in 0, step, 2*step .. < extent`. Carried values: `inits` on entry, the block's
// arguments inside, `yields` at the end of the block, results after the loop (inits if no trip).
//   kSerial, kUnrolled: `unrolled` is serial with a hint (extent constant and small).
//   kParallel: iterations are independent; nothing carried; only at the top of the body, perfectly
//     nested: parallel loops may contain only one parallel loop, or no parallel loop at all. Before
//     the outermost one there may be no instruction, and after it none. Flattened row-major, they
//     are the kernel's tiles; a body without one has exactly one tile.
//   kVector: step == lanes. In iteration k the first min(lanes, extent - k) lanes are *active*.
//     Inactive lanes: loads read nothing and give 0, stores write nothing, carried values keep their
//     old lanes, every other operation computes as usual on what is there (and cannot trap). Vector
//     loops do not nest (also not indirectly); inside one every value has `lanes` lanes or 1, and the
//     operations kReduce and kShuffle are not allowed. Serial loops may stand inside one: they are
//     executed whole per vector iteration, and values they carry are masked at the vector loop only.
//
// Memory. Element index into a buffer = `address` (a DimExpr, in elements, of lane 0) + `offset` + lane*stride.
// A scratch buffer belongs to one tile at a time; its content is undefined when a tile starts.
// Buffers never alias, except that an output may be the very same memory as an input marked
// `in_place_with`. Every access is in bounds, for active lanes; the interpreter checks it.
//
// Numerics. f32/f64 operations are IEEE 754, round to nearest even, no FTZ, no contraction; kFma is
// fused. f16/bf16 values exist only as the operand or result of kLoad, kStore, kConvert and data
// movement. Integers wrap. Details at each opcode.
#ifndef SKEIN_IR_LOOP_NEST_H_
#define SKEIN_IR_LOOP_NEST_H_

#include <cstdint>
#include <initializer_list>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/container/inlined_vector.h"
#include "base/hash.h"
#include "base/ids.h"
#include "base/status.h"
#include "ir/dim_expr.h"
#include "ir/element_type.h"

namespace skein {

using ValueId = Id<struct ValueTag>;
using InstId = Id<struct InstTag>;
using BlockId = Id<struct BlockTag>;
using BufferId = Id<struct BufferTag>;

struct VectorType {
  ElementType element = ElementType::kF32;
  int lanes = 1;
  bool operator==(const VectorType&) const = default;
};

enum class Opcode : uint8_t {
  // --- sources ---
  kConst,      // imm: the bit pattern of one lane, in all lanes
  kIndex,      // expr: an i64 scalar with the value of a DimExpr
  kIota,       // 0, 1, 2 ... lanes-1, of any integer type
  kLaneMask,   // expr n: bool, lane < n  (all false for n <= 0)
  // --- data movement in registers ---
  kSplat,      // (scalar) -> all lanes
  kExtract,    // (vector), lane: -> scalar
  kShuffle,    // (a) or (a, b), shuffle: result lane i = concat(a, b)[shuffle[i]]; constant indices;
               //   result lanes = shuffle.size() (so halves, joins, interleaves, reversals)
  kLookup,     // (i32 vector), shuffle: the bits of 16 f32 constants; result lane i is number
               //   operand[i] mod 16 of them
  kBitcast,    // same lanes, same bit width, other element type
  // --- memory ---
  kLoad,       // [mask] buffer, address, stride: lanes from address + i*stride. stride 0 = broadcast,
               //   1 = contiguous. mask (bool, same lanes): inactive lanes give 0 and touch nothing.
  kGather,     // (index i64 vector [, mask]) buffer, address: element address + index[i]
  kStore,      // (value [, mask]) buffer, address, stride; `streaming` is a hint
  kScatter,    // (value, index [, mask]); later lanes win
  kPrefetch,   // buffer, address: hint; may be out of bounds (never faults). imm: 0 = L1, 1 = L2
  kClampIndex, // (i64 any lanes), expr n, imm site: clamps to [0, n-1], n >= 1; a lane outside sets
               //   bit min(site, 62) of the kernel's status word. Inactive lanes of a vector loop never do.
  // --- arithmetic, elementwise; operands and result of one type unless said ---
  kAdd, kSub, kMul,   // ints wrap; bool not allowed
  kDiv,        // floats only
  kIntDiv,     // integers, truncating; x/0 = 0, min/-1 = min
  kIntRem,     // integers, sign of the dividend; x rem 0 = 0, min rem -1 = 0
  kFma,        // a*b+c, one rounding; floats only
  kMin, kMax,  // floats: IEEE 754-2019 minimum/maximum: NaN if either is NaN, -0 < +0
  kMinX86, kMaxX86,   // floats: a < b ? a : b, a > b ? a : b -- the second operand if either is NaN or
               //   both are zero (what minps/maxps do; vector math relies on it)
  kNeg, kAbs,  // floats: sign bit only; ints wrap
  kSqrt,       // floats, correctly rounded
  kFloor, kCeil, kTrunc, kRoundEven,   // floats to integral floats
  // --- bits ---
  kAnd, kOr, kXor, kNot,               // ints and bool
  kShl, kShr, kSar,   // ints; (value, amount) of one type; amounts >= width give 0 (kSar: sign)
  // --- compare and choose ---
  kLess, kLessEqual, kEqual, kNotEqual,  // -> bool; ordered (false on NaN), but kNotEqual is true on NaN
  kSelect,     // (bool c, a, b), same lanes
  // --- conversion ---
  kConvert,    // any numeric or bool to any other. float->int truncates, saturates, NaN -> 0;
               //   int->narrower int wraps; int->float and float->narrower float round to even;
               //   -> bool is != 0; bool -> number is 0 or 1
  // --- reductions in a register ---
  kReduce,     // (vector), reduce_op: lanes a power of two; lane j with j+lanes/2, ... down to 1; scalar
  kDot4,       // (i32 acc, i32 a, i32 b): each i32 lane of a is 4 u8, of b 4 i8;
               //   acc + sum of products (exact, wraps as i32)
  // --- structure ---
  kLoop,
};

// Mnemonic in the text form: "add", "lane_mask", ...
std::string_view Name(Opcode op);
// The number in an argument's name: 3 for "a3"; -1 for any other text.
int ArgumentNumber(std::string_view symbol);
inline constexpr int kOpcodeCount = static_cast<int>(Opcode::kLoop) + 1;

enum class LoopKind : uint8_t { kSerial, kParallel, kVector, kUnrolled };

struct Inst {
  Opcode op;
  VectorType type;                                   // of the result; unused without one
  absl::InlinedVector<ValueId, 4> operands;          // kLoop: inits
  absl::InlinedVector<ValueId, 1> results;           // one, or none, or kLoop's results
  uint64_t imm = 0;                                  // kConst, kPrefetch, kClampIndex
  DimExpr expr;                                      // kIndex, kLaneMask, kClampIndex
  BufferId buffer;                                   // memory operations
  DimExpr address;                                   // memory operations
  int64_t offset = 0;                                // likewise: added to the address; 0 until legalization (ElementOf)
  DimExpr stride = 1;                                // kLoad, kStore
  bool streaming = false;                            // kStore
  int lane = 0;                                      // kExtract
  std::vector<int> shuffle;                          // kShuffle, kLookup
  Opcode reduce_op = Opcode::kAdd;                   // kReduce: kAdd kMul kMin kMax kAnd kOr
  bool masked = false;                               // memory operations: last operand is a mask
  // kLoop:
  LoopKind loop_kind = LoopKind::kSerial;
  int loop = -1;                                     // its number: Coord(loop, extent)
  DimExpr extent;
  int64_t step = 1;
  int lanes = 1;                                     // kVector
  BlockId body;
};

// The element at which a memory operation begins. Pieces of one access share `address` and differ in `offset`: sums are
// interned, and interning one for each piece was a tenth of the time that a kernel takes.
inline DimExpr ElementOf(const Inst& inst) {
  return inst.offset == 0 ? inst.address : inst.address + DimExpr(inst.offset);
}

struct Block {
  std::vector<InstId> insts;
  std::vector<ValueId> arguments;                    // a loop's carried values inside
  std::vector<ValueId> yields;
};

enum class BufferKind : uint8_t { kInput, kOutput, kScratch };

struct Buffer {
  BufferKind kind;
  ElementType element;
  DimExpr size;                                      // elements; over arguments and constants only
  int in_place_with = -1;                            // an output that may alias this input
};

class LoopNest {
 public:
  std::vector<Buffer> buffers;                       // inputs and outputs = KernelArgs order; scratch last
  int argument_count = 0;                            // a0 .. a(n-1)
  int loop_count = 0;
  BlockId root;

  const Inst& inst(InstId id) const { return insts_[id.index]; }
  Inst& inst(InstId id) { return insts_[id.index]; }
  const Block& block(BlockId id) const { return blocks_[id.index]; }
  Block& block(BlockId id) { return blocks_[id.index]; }
  VectorType type(ValueId id) const { return value_types_[id.index]; }
  int value_count() const { return static_cast<int>(value_types_.size()); }
  int inst_count() const { return static_cast<int>(insts_.size()); }
  int block_count() const { return static_cast<int>(blocks_.size()); }

  ValueId NewValue(VectorType type);
  InstId NewInst(const Inst& inst);
  InstId NewInst(Inst&& inst);
  BlockId NewBlock();
  // Makes room, for writers that know roughly how much will come.
  void Reserve(int insts, int values);

  // The text form, canonical: values, loops and buffers numbered in order of appearance, so equal
  // kernels print equally. Parsed back by ParseLoopNest.
  std::string ToString() const;
  Hash128 Hash() const { return StableHash(ToString()); }

 private:
  std::vector<Inst> insts_;
  std::vector<Block> blocks_;
  std::vector<VectorType> value_types_;
};

absl::StatusOr<LoopNest> ParseLoopNest(std::string_view text);

// Checks everything this page says: types, dominance, loop structure, DimExpr scopes.
absl::Status Verify(const LoopNest& nest);

// Emits instructions at an insertion point. The only way kernels are written.
//   LoopBuilder b(&nest);
//   DimExpr i = b.BeginLoop(LoopKind::kParallel, rows);
//   DimExpr j = b.BeginVectorLoop(columns, 64);
//   ValueId x = b.Load(in, i * columns + j);      // 64 lanes: inherited from the vector loop
//   b.Store(out, i * columns + j, b.Add(x, b.Const(F32, 1.0)));
//   b.EndLoop(); b.EndLoop();
// Operands of mixed lanes are splat automatically (1 lane -> n lanes); element types must agree. Carried
// values have the types of their inits, which are not widened. A 1-lane value stored inside a vector
// loop with a stride other than 0 is widened to the loop's lanes. Compares, min and max of bools become
// bit operations.
class LoopBuilder {
 public:
  explicit LoopBuilder(LoopNest* nest);
  LoopNest& nest() { return *nest_; }

  BufferId AddBuffer(BufferKind kind, ElementType element, DimExpr size);
  DimExpr AddArgument();                             // a new Symbol("a<n>")

  // Returns the loop's index as an expression.
  DimExpr BeginLoop(LoopKind kind, DimExpr extent, int64_t step = 1,
                    std::span<const ValueId> inits = {});
  DimExpr BeginVectorLoop(DimExpr extent, int lanes, std::span<const ValueId> inits = {});
  ValueId Carried(int i) const;                      // the i-th carried value inside the loop
  // Ends the innermost loop; `yields` are the next iteration's carried values. Returns the results.
  std::vector<ValueId> EndLoop(std::span<const ValueId> yields = {});
  int lanes() const { return lanes_; }               // of the vector loop around, else 1

  // Sources. `lanes` 0 means lanes().
  ValueId Const(ElementType t, double value, int lanes = 1);       // rounded to t
  ValueId ConstBits(ElementType t, uint64_t bits, int lanes = 1);
  ValueId ConstInt(ElementType t, int64_t value, int lanes = 1);
  ValueId Index(DimExpr e);
  ValueId Iota(ElementType t, int lanes);
  ValueId LaneMask(DimExpr n, int lanes);
  ValueId Splat(ValueId v, int lanes);               // v itself if it already has `lanes`
  ValueId Extract(ValueId v, int lane);
  ValueId Shuffle(ValueId a, std::vector<int> indices);
  ValueId Shuffle(ValueId a, ValueId b, std::vector<int> indices);
  ValueId Lookup(ValueId index, std::span<const float, 16> table);
  ValueId Bitcast(ElementType t, ValueId v);

  ValueId Load(BufferId buffer, DimExpr address, int lanes = 0, DimExpr stride = 1,
               ValueId mask = ValueId());
  ValueId Gather(BufferId buffer, DimExpr address, ValueId index, ValueId mask = ValueId());
  void Store(BufferId buffer, DimExpr address, ValueId value, DimExpr stride = 1,
             ValueId mask = ValueId(), bool streaming = false);
  void Scatter(BufferId buffer, DimExpr address, ValueId value, ValueId index,
               ValueId mask = ValueId());
  void Prefetch(BufferId buffer, DimExpr address, int level);
  ValueId ClampIndex(ValueId index, DimExpr n, int site);

  ValueId Unary(Opcode op, ValueId a);
  ValueId Binary(Opcode op, ValueId a, ValueId b);   // compares too
  ValueId Add(ValueId a, ValueId b) { return Binary(Opcode::kAdd, a, b); }
  ValueId Sub(ValueId a, ValueId b) { return Binary(Opcode::kSub, a, b); }
  ValueId Mul(ValueId a, ValueId b) { return Binary(Opcode::kMul, a, b); }
  ValueId Div(ValueId a, ValueId b) { return Binary(Opcode::kDiv, a, b); }
  ValueId Fma(ValueId a, ValueId b, ValueId c);
  ValueId Select(ValueId condition, ValueId a, ValueId b);
  ValueId Convert(ElementType t, ValueId v);         // v itself if it already is of type t
  ValueId Reduce(Opcode op, ValueId v);
  ValueId Dot4(ValueId acc, ValueId a, ValueId b);
  VectorType type(ValueId v) const { return nest_->type(v); }

 private:
  ValueId Emit(Inst inst, VectorType type);
  void EmitEffect(Inst inst);                        // an instruction without a result
  // Splats `values` to the most lanes among them and `lanes`, and returns that number.
  int Widen(Opcode op, std::initializer_list<ValueId*> values, int lanes);
  struct OpenLoop {
    InstId loop;
    BlockId outer;
    int outer_lanes;
  };
  LoopNest* nest_;
  BlockId block_;
  int lanes_ = 1;
  std::vector<OpenLoop> open_;
  // Pure instructions are hash-consed within their scope: the same operation on the same operands in
  // this or an enclosing open block is emitted once. One table per open block.
  std::vector<absl::flat_hash_map<std::string, ValueId>> scopes_;
  absl::flat_hash_map<ValueId, uint64_t> constants_;   // a splat of one is a wider constant
};

}  // namespace skein

#endif  // SKEIN_IR_LOOP_NEST_H_
