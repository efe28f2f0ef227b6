#include "codegen/x86/registers.h"

#include <algorithm>
#include <bit>
#include <limits>
#include <utility>

namespace skein::x86 {
namespace {

using enum Registers::Movement::Kind;

// Registers that loop-carried values leave to the body: at least what the greediest operations need at once, and of
// vectors at most this many more.
constexpr int kLeftToBody[kClassCount] = {5, 3, 3};
constexpr int kMostVectorsLeftToBody = 8;

int Index(RegisterClass c) { return static_cast<int>(c); }

}  // namespace

Registers::Registers(const Program& program, const Liveness& liveness,
                     const std::array<uint32_t, kClassCount>& allocatable, Mover* mover)
    : program_(program), liveness_(liveness), allocatable_(allocatable), mover_(mover), now_{.holder = {}, .free = allocatable} {
  state_.resize(program.variables.size());
  mark_.resize(program.variables.size());
  for (size_t v = 0; v < state_.size(); ++v) {
    state_[v].register_class = program.variables[v].register_class;
    state_[v].next_use = liveness.first_use[v];
    state_[v].last_use = liveness.last_use[v];
  }
}

void Registers::Begin(int position) {
  position_ = position;
  locked_ = {};
  touched_.clear();
}

int Registers::NextUse(Variable v) {
  VariableState& s = state_[v.index];
  const int end = liveness_.first_use[v.index + 1];
  while (s.next_use < end && liveness_.uses[s.next_use] < position_) ++s.next_use;
  return s.next_use < end ? liveness_.uses[s.next_use] : std::numeric_limits<int>::max();
}

void Registers::Hold(RegisterClass c, int r, Variable v) {
  now_.holder[Index(c)][r] = v;
  now_.free[Index(c)] &= ~(1u << r);
  state_[v.index].in_register = static_cast<int8_t>(r);
}

// --- taking registers ---

int Registers::Take(RegisterClass c, int hint) {
  const uint32_t free = now_.free[Index(c)];
  if (hint >= 0 && (free >> hint & 1) != 0) return hint;
  if (free != 0) return std::countr_zero(free);
  int best = -1;
  int64_t best_use = -1;
  for (uint32_t rest = allocatable_[Index(c)] & ~locked_[Index(c)]; rest != 0; rest &= rest - 1) {
    const int r = std::countr_zero(rest);
    const Variable v = now_.holder[Index(c)][r];
    const VariableState& s = state_[v.index];
    // Of those that are read at the same place, one that is or has to be stored anyway.
    const int64_t use = 2 * int64_t{NextUse(v)} + (s.spilled || program_.IsConstant(v) || HasHome(s));
    if (use > best_use) best = r, best_use = use;
  }
  if (best < 0) {
    overflowed_ = true;
    return std::countr_zero(allocatable_[Index(c)]);
  }
  Evict(c, best);
  return best;
}

void Registers::Evict(RegisterClass c, int r) {
  const Variable v = now_.holder[Index(c)][r];
  if (!v.valid()) return;
  SpillIfNeeded(v);
  state_[v.index].in_register = -1;
  now_.holder[Index(c)][r] = Variable();
  now_.free[Index(c)] |= 1u << r;
}

void Registers::SpillIfNeeded(Variable v) {
  VariableState& s = state_[v.index];
  if (s.spilled || program_.IsConstant(v)) return;
  const RegisterClass c = ClassOf(v);
  if (s.offset < 0 && HasHome(s)) {
    s.offset = state_[s.next_of.index].offset;
    s.pinned = true;
  }
  if (s.offset < 0) s.offset = FrameSlot(c);
  mover_->Perform({kSpill, v, s.offset, s.in_register});
  s.spilled = true;
  spills_.push_back(v);
}

// Whether the slot of the argument whose next value this is may be overwritten already.
bool Registers::HasHome(const VariableState& s) const {
  return s.next_of.valid() && state_[s.next_of.index].last_use < position_;
}

int Registers::FrameSlot(RegisterClass c) {
  std::vector<int>& slots = free_slots_[Index(c)];
  if (slots.empty()) {
    // The frame grows by 64 bytes at a time, so that vectors stay aligned.
    const int bytes = c != RegisterClass::kVector ? 8 : program_.isa == Isa::kAvx512 ? 64 : 32;
    for (int at = 64 - bytes; at >= 0; at -= bytes) slots.push_back(frame_bytes_ + at);
    frame_bytes_ += 64;
  }
  const int offset = slots.back();
  slots.pop_back();
  return offset;
}

// Gives up a variable that is not read any more.
void Registers::Free(Variable v) {
  VariableState& s = state_[v.index];
  const int c = Index(ClassOf(v));
  if (s.in_register >= 0) {
    now_.holder[c][s.in_register] = Variable();
    now_.free[c] |= 1u << s.in_register;
    s.in_register = -1;
  }
  if (s.offset >= 0 && !s.pinned) {
    free_slots_[c].push_back(s.offset);
    s.offset = -1;
    s.spilled = false;
  }
}

// Loads a spilled variable or a constant into register `to`.
void Registers::Fetch(Variable v, int to) {
  const bool constant = program_.IsConstant(v);
  mover_->Perform({constant ? kConstant : kReload, v, to, constant ? -1 : state_[v.index].offset});
}

// --- one operation ---

int Registers::Use(Variable v) {
  const RegisterClass c = ClassOf(v);
  VariableState& s = state_[v.index];
  touched_.push_back(v);
  if (s.in_register < 0) {
    const int r = Take(c, s.hint);
    Fetch(v, r);
    Hold(c, r, v);
  }
  locked_[Index(c)] |= 1u << s.in_register;
  return s.in_register;
}

int Registers::Scratch(RegisterClass c) {
  // Not lowest first: results keep the low registers, which hints ask for.
  const uint32_t free = now_.free[Index(c)] & ~locked_[Index(c)];
  const int r = free != 0 ? std::bit_width(free) - 1 : Take(c, -1);
  now_.free[Index(c)] &= ~(1u << r);
  locked_[Index(c)] |= 1u << r;
  scratch_[Index(c)] |= 1u << r;
  now_.holder[Index(c)][r] = Variable();
  return r;
}

void Registers::ReleaseDying() {
  for (Variable v : touched_) {
    if (!Dies(v) || state_[v.index].in_register < 0) continue;
    locked_[Index(ClassOf(v))] &= ~(1u << state_[v.index].in_register);
    Free(v);
  }
}

int Registers::Define(Variable v) {
  const RegisterClass c = ClassOf(v);
  const int r = Take(c, state_[v.index].hint);
  Hold(c, r, v);
  locked_[Index(c)] |= 1u << r;
  touched_.push_back(v);
  return r;
}

int Registers::Overwrite(Variable result, Variable operand) {
  const RegisterClass c = ClassOf(result);
  if (Dies(operand)) {
    const int r = Use(operand);
    state_[operand.index].in_register = -1;
    Hold(c, r, result);
    touched_.push_back(result);
    return r;
  }
  const int from = InRegister(operand) ? Use(operand) : -1;
  const int r = Define(result);
  if (from >= 0) {
    mover_->Perform({kMove, operand, r, from});
  } else {
    UseInPlace(operand);
    Fetch(operand, r);
  }
  return r;
}

void Registers::End() {
  for (Variable v : touched_) {
    if (Dies(v)) Free(v);
  }
  for (int c = 0; c < kClassCount; ++c) now_.free[c] |= std::exchange(scratch_[c], 0);
  locked_ = {};
}

void Registers::Bind(Variable v, int r) { Hold(ClassOf(v), r, v); }

// --- loops ---

template <typename Visit>
void Registers::VisitHeld(const Contents& contents, Visit visit) const {
  for (int c = 0; c < kClassCount; ++c) {
    for (uint32_t rest = allocatable_[c] & ~contents.free[c]; rest != 0; rest &= rest - 1) {
      const int r = std::countr_zero(rest);
      visit(static_cast<RegisterClass>(c), r, contents.holder[c][r]);
    }
  }
}

void Registers::BeginLoop(int number) {
  const Loop& loop = program_.loops[number];
  // Arguments past what fits live in the frame, with registers for them now and then.
  std::array<int, kClassCount> room;
  for (int c = 0; c < kClassCount; ++c) room[c] = std::popcount(allocatable_[c]) - kLeftToBody[c];
  // A value that the body drives out is stored and loaded like one in the frame, and besides has to come back in time.
  const Liveness::LoopFacts& wanted = liveness_.loops[number];
  constexpr int kVector = static_cast<int>(RegisterClass::kVector);
  room[kVector] -= std::clamp(wanted.pressure[kVector] - wanted.live_at_begin[kVector] - kLeftToBody[kVector], 0,
                              kMostVectorsLeftToBody - kLeftToBody[kVector]);
  std::vector<bool> in_frame(loop.inits.size());
  for (size_t i = 0; i < loop.inits.size(); ++i) {
    if (--room[Index(ClassOf(loop.arguments[i]))] >= 0) continue;
    in_frame[i] = true;
    touched_.push_back(loop.inits[i]);
    StartInFrame(loop.arguments[i], loop.inits[i]);
  }
  for (size_t i = 0; i < loop.inits.size(); ++i) {
    if (in_frame[i]) continue;
    const Variable init = loop.inits[i], argument = loop.arguments[i];
    const RegisterClass c = ClassOf(argument);
    VariableState& s = state_[init.index];
    touched_.push_back(init);
    const bool again = std::find(loop.inits.begin() + static_cast<ptrdiff_t>(i) + 1, loop.inits.end(), init) != loop.inits.end();
    int r = s.in_register;
    if (r >= 0 && !again && Dies(init)) {
      s.in_register = -1;
    } else if (r >= 0) {
      locked_[Index(c)] |= 1u << r;
      const int to = Take(c, -1);
      locked_[Index(c)] &= ~(1u << r);
      mover_->Perform({kMove, init, to, r});
      r = to;
    } else {
      r = Take(c, -1);
      Fetch(init, r);
    }
    Hold(c, r, argument);
    locked_[Index(c)] |= 1u << r;
  }
  for (Variable v : touched_) {
    if (Dies(v)) Free(v);
  }
  ++mark_stamp_;
  for (Variable v : liveness_.loops[number].used) mark_[v.index] = mark_stamp_;
  for (Variable v : loop.arguments) mark_[v.index] = mark_stamp_;
  for (int c = 0; c < kClassCount; ++c) MakeRoom(number, static_cast<RegisterClass>(c));
  locked_ = {};
  OpenLoop open{.at_exit = now_, .at_header = {}, .spills_before = spills_.size()};
  for (Variable v : loop.arguments) open.argument_registers.push_back(state_[v.index].in_register);
  open_.push_back(std::move(open));
}

void Registers::StartInFrame(Variable argument, Variable init) {
  const RegisterClass c = ClassOf(argument);
  VariableState& s = state_[argument.index];
  s.offset = FrameSlot(c);
  s.spilled = s.pinned = true;
  CopyToFrame(init, s.offset);
}

void Registers::CopyToFrame(Variable source, int offset) {
  int r = state_[source.index].in_register;
  if (r < 0) {
    r = Take(ClassOf(source), -1);
    Fetch(source, r);
  }
  mover_->Perform({kSpill, source, offset, r});
}

// The next values of arguments that live in the frame. One that becomes the next value of another is copied first,
// to a slot that stands for it until the end of the body.
//   Returns such arguments with the slots where they live.
std::vector<std::pair<Variable, int>> Registers::YieldToFrame(const Loop& loop) {
  const std::vector<int8_t>& registers = open_.back().argument_registers;
  std::vector<std::pair<Variable, int>> homes;
  auto home = [&](Variable v) {
    return std::find_if(homes.begin(), homes.end(), [&](const auto& moved) { return moved.first == v; });
  };
  for (size_t i = 0; i < loop.arguments.size(); ++i) {
    const Variable yield = loop.yields[i];
    const auto at = std::find(loop.arguments.begin(), loop.arguments.end(), yield);
    if (yield == loop.arguments[i] || at == loop.arguments.end() || home(yield) != homes.end()) continue;
    if (registers[at - loop.arguments.begin()] >= 0) continue;
    const int copy = FrameSlot(ClassOf(yield));
    CopyToFrame(yield, copy);
    homes.push_back({yield, std::exchange(state_[yield.index].offset, copy)});
  }
  for (size_t i = 0; i < loop.arguments.size(); ++i) {
    const Variable argument = loop.arguments[i], yield = loop.yields[i];
    if (registers[i] >= 0 || yield == argument) continue;
    if (state_[yield.index].spilled && state_[yield.index].offset == state_[argument.index].offset) continue;
    const auto moved = home(argument);
    CopyToFrame(yield, moved != homes.end() ? moved->second : state_[argument.index].offset);
  }
  return homes;
}

// Sends variables that a loop does not read to the frame, as far as its body and its constants want registers; this
// costs one store and one load, and inside the loop it would cost them at every trip.
void Registers::MakeRoom(int number, RegisterClass c) {
  const Liveness::LoopFacts& facts = liveness_.loops[number];
  // What lives through the loop without being read, and is in the frame already, needs no room.
  int room = std::popcount(allocatable_[Index(c)]) - (facts.pressure[Index(c)] - facts.live_at_begin[Index(c)]);
  int wanted = 0, held = 0;  // constants: those that are worth a register, and others that have one
  // General constants are immediate operands for the most part.
  const bool wants_constants = !program_.loops[number].at_most_once && c != RegisterClass::kGeneral;
  for (Variable v : facts.used) {
    if (ClassOf(v) != c) continue;
    program_.IsConstant(v) ? wanted += wants_constants : --room;
  }
  for (Variable v : program_.loops[number].arguments) room -= ClassOf(v) == c;
  auto is_read = [&](Variable v) {
    return mark_[v.index] == mark_stamp_ && !(c == RegisterClass::kGeneral && program_.IsConstant(v));
  };
  const uint32_t taken = allocatable_[Index(c)] & ~now_.free[Index(c)];
  for (uint32_t rest = taken; rest != 0; rest &= rest - 1) {
    const Variable v = now_.holder[Index(c)][std::countr_zero(rest)];
    if (!is_read(v)) program_.IsConstant(v) ? ++held : --room;
  }
  const bool constants_fit = wanted + held <= room;
  for (uint32_t rest = taken; rest != 0; rest &= rest - 1) {
    const int r = std::countr_zero(rest);
    const Variable v = now_.holder[Index(c)][r];
    if (is_read(v)) continue;
    if (program_.IsConstant(v)) {
      if (!constants_fit) Evict(c, r);
    } else if (room < wanted) {
      Evict(c, r);
      ++room;
    }
  }
  if (room >= 0) return;
  // Something has to go in the body: what is stored already goes without a store. Vectors that are read least stay in the
  // frame, where operations read them in place, so that the end of the body need not bring them back.
  std::vector<std::pair<int, Variable>> reads;
  for (Variable v : facts.used) {
    if (ClassOf(v) != c || !InRegister(v) || program_.IsConstant(v)) continue;
    SpillIfNeeded(v);
    NextUse(v);
    int last = state_[v.index].next_use;
    const int first = last, end = liveness_.first_use[v.index + 1];
    while (last < end && liveness_.uses[last] < program_.loops[number].end) ++last;
    reads.push_back({last - first, v});
  }
  if (c != RegisterClass::kVector) return;
  std::sort(reads.begin(), reads.end());
  reads.resize(std::min(reads.size(), static_cast<size_t>(-room)));
  for (const auto& read : reads) Evict(c, state_[read.second.index].in_register);
}

void Registers::EnterBody(int number) {
  const Loop& loop = program_.loops[number];
  const Liveness::LoopFacts& facts = liveness_.loops[number];
  OpenLoop& open = open_.back();
  if (!loop.at_most_once) {
    std::array<int, kClassCount> room;
    for (int c = 0; c < kClassCount; ++c) {
      room[c] = std::popcount(now_.free[c]) - (facts.pressure[c] - facts.live_at_begin[c]);
    }
    Preload(number, false, room);
    Preload(number, true, room);
  }
  open.at_header = now_;
  for (size_t i = 0; i < loop.yields.size(); ++i) {
    VariableState& s = state_[loop.yields[i].index];
    s.hint = open.argument_registers[i];
    const bool defined = s.in_register >= 0 || s.spilled;  // outside of the loop
    if (open.argument_registers[i] < 0 && !defined) s.next_of = loop.arguments[i];
  }
}

void Registers::Preload(int number, bool constants, std::array<int, kClassCount>& room) {
  for (Variable v : liveness_.loops[number].used) {
    const RegisterClass c = ClassOf(v);
    if (program_.IsConstant(v) != constants || InRegister(v) || room[Index(c)] <= 0) continue;
    if (constants && c == RegisterClass::kGeneral) continue;  // immediate operands
    const int r = Take(c, -1);
    Fetch(v, r);
    Hold(c, r, v);
    --room[Index(c)];
  }
}

void Registers::EndBody(int number) {
  const Loop& loop = program_.loops[number];
  const OpenLoop& open = open_.back();
  const std::vector<std::pair<Variable, int>> homes = YieldToFrame(loop);
  std::vector<Transfer> moves;
  auto want = [&](RegisterClass c, int to, Variable source) {
    const int from = state_[source.index].in_register;
    if (from != to) moves.push_back({c, to, from, source});
  };
  ++mark_stamp_;
  for (size_t i = 0; i < loop.arguments.size(); ++i) {
    mark_[loop.arguments[i].index] = mark_stamp_;
    if (open.argument_registers[i] < 0) continue;
    want(ClassOf(loop.arguments[i]), open.argument_registers[i], loop.yields[i]);
  }
  VisitHeld(open.at_header, [&](RegisterClass c, int r, Variable v) {
    if (mark_[v.index] != mark_stamp_) want(c, r, v);
  });
  MoveAll(moves);
  Restore(open.at_header);
  for (const auto& [argument, offset] : homes) {
    free_slots_[Index(ClassOf(argument))].push_back(std::exchange(state_[argument.index].offset, offset));
  }
}

// All at once: first from register to register, then loads into what is left.
void Registers::MoveAll(std::vector<Transfer>& moves) {
  auto pending_from = [&](RegisterClass c, int r) {
    return std::any_of(moves.begin(), moves.end(), [&](const Transfer& m) { return m.c == c && m.from == r; });
  };
  std::vector<Transfer> loads;
  std::erase_if(moves, [&](const Transfer& m) {
    if (m.from < 0) loads.push_back(m);
    return m.from < 0;
  });
  std::array<uint32_t, kClassCount> spare = now_.free;  // that nothing is moved to
  for (const Transfer& m : moves) spare[Index(m.c)] &= ~(uint32_t{1} << m.to);
  for (const Transfer& m : loads) spare[Index(m.c)] &= ~(uint32_t{1} << m.to);
  while (!moves.empty()) {
    const auto ready = std::find_if(moves.begin(), moves.end(), [&](const Transfer& m) { return !pending_from(m.c, m.to); });
    if (ready != moves.end()) {
      mover_->Perform({kMove, ready->source, ready->to, ready->from});
      moves.erase(ready);
      continue;
    }
    // Only cycles are left.
    const Transfer swapped = moves.back();
    if (uint32_t& free = spare[Index(swapped.c)]; free != 0) {
      const int kept = std::countr_zero(free);
      free &= free - 1;
      mover_->Perform({kMove, swapped.source, kept, swapped.to});
      for (Transfer& m : moves) {
        if (m.c == swapped.c && m.from == swapped.to) m.from = kept;
      }
      continue;
    }
    moves.pop_back();
    mover_->Perform({kExchange, swapped.source, swapped.to, swapped.from});
    for (Transfer& m : moves) {
      if (m.c == swapped.c && m.from == swapped.to) m.from = swapped.from;
    }
    std::erase_if(moves, [](const Transfer& m) { return m.from == m.to; });
  }
  for (const Transfer& m : loads) Fetch(m.source, m.to);
}

void Registers::Restore(const Contents& contents) {
  VisitHeld(now_, [&](RegisterClass, int, Variable v) { state_[v.index].in_register = -1; });
  now_ = contents;
  VisitHeld(now_, [&](RegisterClass, int r, Variable v) { state_[v.index].in_register = static_cast<int8_t>(r); });
}

void Registers::LeaveLoop(int number) {
  const Loop& loop = program_.loops[number];
  const OpenLoop open = std::move(open_.back());
  open_.pop_back();
  // If the loop was not entered, nothing was stored.
  for (; spills_.size() > open.spills_before; spills_.pop_back()) {
    state_[spills_.back().index].spilled = false;
  }
  Restore(open.at_exit);
  for (size_t i = 0; i < loop.arguments.size(); ++i) {
    const Variable argument = loop.arguments[i], result = loop.results[i];
    state_[argument.index].in_register = -1;
    if (open.argument_registers[i] >= 0) {
      Free(argument);
      Hold(ClassOf(result), open.argument_registers[i], result);
    } else {
      state_[result.index].offset = std::exchange(state_[argument.index].offset, -1);
      state_[result.index].spilled = true;
    }
    if (state_[result.index].last_use < 0) Free(result);
  }
  for (Variable v : loop.yields) {
    if (Dies(v)) Free(v);
  }
  for (Variable v : liveness_.loops[number].used) {
    if (Dies(v)) Free(v);
  }
}

}  // namespace skein::x86
