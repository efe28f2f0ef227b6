#include "tests/codegen/shrink_nest.h"

#include <algorithm>
#include <chrono>
#include <optional>
#include <regex>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"

namespace skein {
namespace {

struct Place {
  BlockId block;
  size_t at;
};

// In the order of the text, of a nest that was parsed.
std::vector<Place> Places(const LoopNest& nest) {
  std::vector<Place> places;
  auto visit = [&](auto& self, BlockId block) -> void {
    for (size_t i = 0; i < nest.block(block).insts.size(); ++i) {
      places.push_back({block, i});
      const Inst& inst = nest.inst(nest.block(block).insts[i]);
      if (inst.op == Opcode::kLoop) self(self, inst.body);
    }
  };
  visit(visit, nest.root);
  return places;
}

Inst& At(LoopNest& nest, const Place& place) { return nest.inst(nest.block(place.block).insts[place.at]); }

void Remove(LoopNest& nest, const Place& place) {
  std::vector<InstId>& insts = nest.block(place.block).insts;
  insts.erase(insts.begin() + static_cast<ptrdiff_t>(place.at));
}

// Every expression of the nest, with leaves replaced.
template <typename MapLeaf>
void MapExprs(LoopNest& nest, const MapLeaf& map_leaf) {
  auto map = [&](DimExpr& e) { e = Substitute(e, map_leaf); };
  for (Buffer& buffer : nest.buffers) map(buffer.size);
  for (int i = 0; i < nest.inst_count(); ++i) {
    Inst& inst = nest.inst(InstId(i));
    for (DimExpr* e : {&inst.expr, &inst.address, &inst.stride, &inst.extent}) map(*e);
  }
}

void ReplaceUses(LoopNest& nest, ValueId from, ValueId to) {
  for (int i = 0; i < nest.inst_count(); ++i) {
    for (ValueId& operand : nest.inst(InstId(i)).operands) {
      if (operand == from) operand = to;
    }
  }
  for (int b = 0; b < nest.block_count(); ++b) {
    for (ValueId& yield : nest.block(BlockId(b)).yields) {
      if (yield == from) yield = to;
    }
  }
  MapExprs(nest, [&](DimExpr leaf) -> std::optional<DimExpr> {
    if (leaf.kind() == DimKind::kValue && leaf.index() == from.index) return DimExpr::Value(to.index);
    return std::nullopt;
  });
}

// Which values something reads.
std::vector<bool> ReadValues(const LoopNest& nest) {
  std::vector<bool> read(nest.value_count());
  for (int b = 0; b < nest.block_count(); ++b) {
    for (ValueId yield : nest.block(BlockId(b)).yields) read[yield.index] = true;
  }
  for (int i = 0; i < nest.inst_count(); ++i) {
    const Inst& inst = nest.inst(InstId(i));
    for (ValueId operand : inst.operands) read[operand.index] = true;
    for (DimExpr e : {inst.expr, inst.address, inst.stride, inst.extent}) {
      Substitute(e, [&](DimExpr leaf) -> std::optional<DimExpr> {
        if (leaf.kind() == DimKind::kValue) read[leaf.index()] = true;
        return std::nullopt;
      });
    }
  }
  return read;
}

bool WritesOrLoops(Opcode op) {
  return op == Opcode::kStore || op == Opcode::kScatter || op == Opcode::kPrefetch || op == Opcode::kClampIndex ||
         op == Opcode::kLoop;
}

// Removes instructions that only compute and that nobody reads, until there are none.
LoopNest WithoutDeadCode(LoopNest nest) {
  for (bool removed = true; removed;) {
    removed = false;
    const std::vector<bool> read = ReadValues(nest);
    for (int b = 0; b < nest.block_count(); ++b) {
      removed |= std::erase_if(nest.block(BlockId(b)).insts, [&](InstId id) {
                   const Inst& inst = nest.inst(id);
                   return !WritesOrLoops(inst.op) && !read[inst.results[0].index];
                 }) > 0;
    }
    if (removed) nest = *ParseLoopNest(nest.ToString());
  }
  return nest;
}

// Whether no NaN's bits and no overflow of index arithmetic can be seen.
bool KeepsPromises(const LoopNest& nest) {
  std::vector<const Inst*> definition(nest.value_count());
  for (int i = 0; i < nest.inst_count(); ++i) {
    const Inst& inst = nest.inst(InstId(i));
    if (inst.op != Opcode::kLoop && !inst.results.empty()) definition[inst.results[0].index] = &inst;
  }
  auto is_small = [&](const Inst* inst) {
    if (inst == nullptr) return false;
    if (inst->op != Opcode::kAnd) return inst->op == Opcode::kConst || inst->op == Opcode::kClampIndex;
    return std::any_of(inst->operands.begin(), inst->operands.end(), [&](ValueId v) {
      const Inst* mask = definition[v.index];
      return mask != nullptr && mask->op == Opcode::kConst && mask->imm >> 40 == 0;
    });
  };
  auto is_no_nan = [&](const Inst* inst) {
    if (inst == nullptr || inst->op != Opcode::kSelect) return inst != nullptr && inst->op == Opcode::kConst;
    const Inst* test = definition[inst->operands[0].index];
    return test != nullptr && test->op == Opcode::kEqual && test->operands[0] == test->operands[1] &&
           test->operands[0] == inst->operands[1];
  };
  bool good = true;
  for (int i = 0; i < nest.inst_count(); ++i) {
    const Inst& inst = nest.inst(InstId(i));
    if (inst.op == Opcode::kBitcast && !IsFloat(inst.type.element) && IsFloat(nest.type(inst.operands[0]).element)) {
      good = good && is_no_nan(definition[inst.operands[0].index]);
    }
    for (DimExpr e : {inst.expr, inst.address, inst.stride, inst.extent}) {
      Substitute(e, [&](DimExpr leaf) -> std::optional<DimExpr> {
        if (leaf.kind() == DimKind::kValue) good = good && is_small(definition[leaf.index()]);
        return std::nullopt;
      });
    }
  }
  return good;
}

class Shrinker {
 public:
  Shrinker(const LoopNest& nest, const std::function<bool(const LoopNest&)>& fails, const ShrinkLimits& limits)
      : fails_(fails), limits_(limits), best_(*ParseLoopNest(nest.ToString())), best_text_(nest.ToString()) {}

  LoopNest Run() {
    for (std::string before; before != best_text_ && !Exhausted();) {
      before = best_text_;
      ReplaceArguments();
      DeleteChunks();
      EachPlace([&](size_t at) { ShrinkAt(at); });
      TakeFewerLanes();
      RemoveBuffers();
    }
    return std::move(best_);
  }

 private:
  static int64_t Cost(const std::string& text) {
    return 40 * std::count(text.begin(), text.end(), '\n') + static_cast<int64_t>(text.size());
  }
  bool Exhausted() const {
    const std::chrono::duration<double> spent = std::chrono::steady_clock::now() - start_;
    return attempts_ >= limits_.attempts || spent.count() > limits_.seconds;
  }

  // Keeps the changed nest if it is valid, smaller and still fails: without its dead code, or else with it, which may
  // decide how what is not dead is put in order.
  bool TryText(const std::string& text) {
    const absl::StatusOr<LoopNest> nest = ParseLoopNest(text);
    if (!nest.ok()) return false;
    const std::string clean = WithoutDeadCode(*nest).ToString();
    return TryExactly(clean) || (clean != text && TryExactly(text));
  }
  bool TryExactly(const std::string& text) {
    if (Exhausted() || Cost(text) >= Cost(best_text_)) return false;
    absl::StatusOr<LoopNest> nest = ParseLoopNest(text);
    if (!nest.ok() || !Verify(*nest).ok() || !KeepsPromises(*nest)) return false;
    ++attempts_;
    if (!fails_(*nest)) return false;
    best_text_ = nest->ToString();
    best_ = *std::move(nest);
    return true;
  }
  template <typename Edit>
  bool Try(Edit edit) {
    LoopNest nest = best_;
    return edit(nest) && TryText(nest.ToString());
  }

  // Calls visit(i) for every instruction there still is, last first.
  template <typename Visit>
  void EachPlace(Visit visit) {
    for (size_t i = Places(best_).size(); i-- > 0;) {
      const size_t count = Places(best_).size();
      if (i >= count) i = count;
      if (i < count) visit(i);
    }
  }

  // Removes an instruction; what reads it reads a constant, or a loop's initial values.
  static void Delete(LoopNest& nest, const Place& place, uint64_t imm) {
    Inst& inst = At(nest, place);
    if (inst.op == Opcode::kLoop) {
      const Inst loop = inst;
      for (size_t i = 0; i < loop.results.size(); ++i) ReplaceUses(nest, loop.results[i], loop.operands[i]);
      return Remove(nest, place);
    }
    if (inst.results.empty() || !ReadValues(nest)[inst.results[0].index]) return Remove(nest, place);
    Inst constant{.op = Opcode::kConst, .type = inst.type, .results = inst.results, .imm = imm};
    inst = std::move(constant);
  }

  static uint64_t One(ElementType t) {
    if (t == ElementType::kF32) return 0x3f800000;
    if (t == ElementType::kF64) return 0x3ff0000000000000;
    return IsFloat(t) ? 0 : 1;
  }

  void DeleteChunks() {
    for (size_t size = Places(best_).size(); size >= 1; size /= 2) {
      for (size_t first = 0; first < Places(best_).size();) {
        const bool gone = Try([&](LoopNest& nest) {
          const std::vector<Place> places = Places(nest);
          for (size_t i = std::min(first + size, places.size()); i-- > first;) Delete(nest, places[i], 0);
          return true;
        });
        if (!gone) first += size;
      }
    }
  }

  void ShrinkAt(size_t at) {
    const auto here = [at](LoopNest& nest) { return Places(nest)[at]; };
    const Inst inst = At(best_, here(best_));
    if (inst.op == Opcode::kLoop) return ShrinkLoop(at, inst);
    if (!inst.results.empty()) {
      if (Try([&](LoopNest& nest) { return Delete(nest, here(nest), 0), true; })) return;
      if (inst.op != Opcode::kConst) {
        if (Try([&](LoopNest& nest) { return Delete(nest, here(nest), One(inst.type.element)), true; })) return;
      }
      for (ValueId operand : inst.operands) {
        if (best_.type(operand) != inst.type) continue;
        if (Try([&](LoopNest& nest) { return ReplaceUses(nest, inst.results[0], operand), true; })) return;
      }
    }
    auto change = [&](auto edit) { Try([&](LoopNest& nest) { return edit(At(nest, here(nest))), true; }); };
    if (inst.masked) change([](Inst& i) { i.masked = false, i.operands.pop_back(); });
    if (inst.streaming) change([](Inst& i) { i.streaming = false; });
    if (!inst.stride.IsConst(1)) change([](Inst& i) { i.stride = 1; });
    SimplifyExpr(at, &Inst::address, inst.address);
    SimplifyExpr(at, &Inst::expr, inst.expr);
  }

  // To a constant, or without one of its terms.
  void SimplifyExpr(size_t at, DimExpr Inst::*member, DimExpr e) {
    auto become = [&](DimExpr simpler) {
      return Try([&](LoopNest& nest) { return At(nest, Places(nest)[at]).*member = simpler, true; });
    };
    if (e.IsConst(0) || become(0) || e.IsConst(1) || become(1) || e.kind() != DimKind::kAdd) return;
    for (DimExpr term : e.operands()) become(e - term);
  }

  void ShrinkLoop(size_t at, const Inst& loop) {
    const auto here = [at](LoopNest& nest) { return Places(nest)[at]; };
    if (Try([&](LoopNest& nest) { return Delete(nest, here(nest), 0), true; })) return;
    if (Try([&](LoopNest& nest) { return Unwrap(nest, here(nest)), true; })) return;
    for (size_t i = loop.operands.size(); i-- > 0;) {
      Try([&](LoopNest& nest) { return DropCarried(nest, At(nest, here(nest)), i), true; });
    }
    const int64_t lanes = loop.lanes;
    const std::optional<int64_t> extent = loop.extent.AsConst();
    for (int64_t fewer : {int64_t{1}, int64_t{2}, int64_t{3}, lanes, lanes + 1, extent.value_or(0) / 2}) {
      if (fewer < 1 || (extent.has_value() && fewer >= *extent)) continue;
      if (Try([&](LoopNest& nest) { return At(nest, here(nest)).extent = fewer, true; })) break;
    }
    if (loop.loop_kind == LoopKind::kVector) return;
    if (loop.step != 1) Try([&](LoopNest& nest) { return At(nest, here(nest)).step = 1, true; });
    Try([&](LoopNest& nest) { return At(nest, here(nest)).loop_kind = LoopKind::kSerial, true; });
  }

  // The body once, at index 0.
  static void Unwrap(LoopNest& nest, const Place& place) {
    const Inst loop = At(nest, place);
    const Block body = nest.block(loop.body);
    MapExprs(nest, [&](DimExpr leaf) -> std::optional<DimExpr> {
      if (leaf.kind() == DimKind::kCoord && leaf.index() == loop.loop) return DimExpr(0);
      return std::nullopt;
    });
    for (size_t i = 0; i < loop.results.size(); ++i) ReplaceUses(nest, loop.results[i], body.yields[i]);
    for (size_t i = 0; i < loop.results.size(); ++i) ReplaceUses(nest, body.arguments[i], loop.operands[i]);
    Remove(nest, place);
    std::vector<InstId>& insts = nest.block(place.block).insts;
    insts.insert(insts.begin() + static_cast<ptrdiff_t>(place.at), body.insts.begin(), body.insts.end());
  }

  static void DropCarried(LoopNest& nest, Inst& loop, size_t i) {
    const ValueId init = loop.operands[i], result = loop.results[i];
    Block& body = nest.block(loop.body);
    const ValueId argument = body.arguments[i];
    const auto drop = [i](auto& list) { list.erase(list.begin() + static_cast<ptrdiff_t>(i)); };
    drop(loop.operands), drop(loop.results), drop(body.arguments), drop(body.yields);
    ReplaceUses(nest, result, init);
    ReplaceUses(nest, argument, init);
  }

  void ReplaceArguments() {
    for (int a = best_.argument_count; a-- > 0;) {
      for (int64_t value : {1, 2, 3, 5, 8, 16, 17, 33, 65}) {
        const bool done = Try([&](LoopNest& nest) {
          MapExprs(nest, [&](DimExpr leaf) -> std::optional<DimExpr> {
            if (leaf.kind() != DimKind::kSymbol) return std::nullopt;
            const int number = ArgumentNumber(leaf.symbol());
            if (number == a) return DimExpr(value);
            return number > a ? DimExpr::Symbol(absl::StrCat("a", number - 1)) : leaf;
          });
          --nest.argument_count;
          return true;
        });
        if (done) break;
      }
    }
  }

  // Of everything that has as many, by the text: a type is written "f32x64", a vector loop "lanes 64".
  void TakeFewerLanes() {
    for (int lanes = 64; lanes >= 2; --lanes) {
      if (best_text_.find(absl::StrCat("x", lanes, " ")) == std::string::npos) continue;
      const std::regex type(absl::StrCat("([a-z]\\d*x)", lanes, "\\b")), loop(absl::StrCat("lanes ", lanes, "\\b"));
      for (int fewer : {1, 2, 4, 8, 16}) {
        if (fewer >= lanes) break;
        const std::string text = std::regex_replace(best_text_, type, absl::StrCat("$01", fewer));
        if (TryText(std::regex_replace(text, loop, absl::StrCat("lanes ", fewer)))) break;
      }
    }
  }

  void RemoveBuffers() {
    for (int b = static_cast<int>(best_.buffers.size()); b-- > 0;) {
      Try([&](LoopNest& nest) {
        for (int i = 0; i < nest.inst_count(); ++i) {
          BufferId& buffer = nest.inst(InstId(i)).buffer;
          if (buffer.valid() && buffer.index == b) return false;
          if (buffer.index > b) buffer = BufferId(buffer.index - 1);
        }
        nest.buffers.erase(nest.buffers.begin() + b);
        for (Buffer& buffer : nest.buffers) {
          if (buffer.in_place_with == b) return false;
          if (buffer.in_place_with > b) --buffer.in_place_with;
        }
        return true;
      });
    }
  }

  const std::function<bool(const LoopNest&)>& fails_;
  const ShrinkLimits limits_;
  LoopNest best_;
  std::string best_text_;
  int attempts_ = 0;
  const std::chrono::steady_clock::time_point start_ = std::chrono::steady_clock::now();
};

}  // namespace

LoopNest ShrinkNest(const LoopNest& nest, const std::function<bool(const LoopNest&)>& fails,
                    const ShrinkLimits& limits) {
  return Shrinker(nest, fails, limits).Run();
}

int CountLines(const LoopNest& nest) {
  const std::string text = nest.ToString();
  return static_cast<int>(std::count(text.begin(), text.end(), '\n'));
}

}  // namespace skein
