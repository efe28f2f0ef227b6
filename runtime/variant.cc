#include "runtime/variant.h"

#include <algorithm>

#include "ir/kernel_abi.h"

namespace skein {

absl::StatusOr<int> ExpressionTable::Add(DimExpr e) {
  auto it = numbers_.find(e);
  if (it != numbers_.end()) return it->second;
  SKEIN_ASSIGN_OR_RETURN(CompiledDimExpr compiled,
                         CompiledDimExpr::Compile(e, [&](std::string_view name) { return binder_->Slot(name); }));
  compiled_.push_back(std::move(compiled));
  const int number = static_cast<int>(compiled_.size()) - 1;
  numbers_[e] = number;
  return number;
}

absl::StatusOr<std::vector<int>> ExpressionTable::AddAll(std::span<const DimExpr> list) {
  std::vector<int> numbers;
  for (DimExpr e : list) {
    SKEIN_ASSIGN_OR_RETURN(int number, Add(e));
    numbers.push_back(number);
  }
  return numbers;
}

std::vector<int64_t> ExpressionTable::Evaluate(std::span<const int64_t> symbols) const {
  std::vector<int64_t> values(compiled_.size());
  for (size_t i = 0; i < compiled_.size(); ++i) values[i] = compiled_[i].Eval(symbols);
  return values;
}

std::string Variant::Describe(int value) const {
  const MaterializedValue& v = values[value];
  if (v.place == Place::kInput) return absl::StrCat("input '", plan.graph.inputs()[v.index].name, "'");
  if (v.place == Place::kOutput) return absl::StrCat("output '", plan.graph.outputs()[v.index].name, "'");
  return OriginText(plan.graph, v.value.node);
}

namespace {

class PlanLayout {
 public:
  explicit PlanLayout(Variant* variant) : variant_(*variant), plan_(variant->plan) {}

  absl::Status Run() {
    const Graph& graph = plan_.graph;
    for (size_t i = 0; i < graph.inputs().size(); ++i) {
      SKEIN_RETURN_IF_ERROR(AddValue(graph.inputs()[i].value, Place::kInput, static_cast<int>(i)));
    }
    for (size_t g = 0; g < plan_.groups.size(); ++g) SKEIN_RETURN_IF_ERROR(AddGroup(static_cast<int>(g)));
    SKEIN_RETURN_IF_ERROR(AddOutputs());
    for (const Guard& guard : graph.guards()) {
      SKEIN_ASSIGN_OR_RETURN(int number, variant_.expressions.Add(guard.condition));
      variant_.guards.push_back(number);
    }
    return absl::OkStatus();
  }

 private:
  absl::Status AddValue(Value value, Place place, int index) {
    const TensorType& type = plan_.graph.type(value);
    MaterializedValue added{.value = value, .place = place, .index = index, .element = type.element};
    SKEIN_ASSIGN_OR_RETURN(added.dims, variant_.expressions.AddAll(type.dims));
    numbers_[value] = static_cast<int>(variant_.values.size());
    variant_.values.push_back(std::move(added));
    return absl::OkStatus();
  }

  // The number of a value that is read here: made by an earlier group, an input or a constant.
  absl::StatusOr<int> Read(Value value) {
    if (auto it = numbers_.find(value); it != numbers_.end()) return it->second;
    LiteralRef literal = plan_.graph.Constant(value);
    if (literal == nullptr) {
      return Internal("the plan reads ", OriginText(plan_.graph, value.node), " before any group writes it");
    }
    SKEIN_RETURN_IF_ERROR(AddValue(value, Place::kConstant, -1));
    variant_.values.back().literal = std::move(literal);
    return static_cast<int>(variant_.values.size()) - 1;
  }

  absl::Status AddGroup(int g) {
    const Group& group = plan_.groups[g];
    GroupProgram program;
    program.input_count = static_cast<int>(group.inputs.size());
    for (Value input : group.inputs) {
      SKEIN_ASSIGN_OR_RETURN(int number, Read(input));
      MaterializedValue& value = variant_.values[number];
      value.last = std::max(value.last, g);
      program.buffers.push_back(number);
    }
    for (Value output : group.outputs) {
      if (numbers_.contains(output)) {
        return Internal("two groups write ", OriginText(plan_.graph, output.node));
      }
      const Place place = group.phase == Phase::kProgram   ? Place::kProgram
                          : group.phase == Phase::kBinding ? Place::kBinding
                                                           : Place::kArena;
      SKEIN_RETURN_IF_ERROR(AddValue(output, place, -1));
      variant_.values.back().first = variant_.values.back().last = g;
      program.buffers.push_back(static_cast<int>(variant_.values.size()) - 1);
    }
    SKEIN_RETURN_IF_ERROR(CheckPhase(group, program));
    SKEIN_RETURN_IF_ERROR(AddSizes(group, &program));
    variant_.groups.push_back(std::move(program));
    return absl::OkStatus();
  }

  // A group may only read what is there when its phase comes.
  absl::Status CheckPhase(const Group& group, const GroupProgram& program) {
    for (size_t i = 0; i < program.buffers.size(); ++i) {
      const Place place = variant_.values[program.buffers[i]].place;
      const bool early = place == Place::kConstant || place == Place::kProgram;
      if (group.phase == Phase::kProgram) {
        bool constant = true;
        for (DimExpr d : plan_.graph.type(variant_.values[program.buffers[i]].value).dims) {
          constant = constant && d.IsConst();
        }
        if (!early || !constant) return PhaseError("once", group, program.buffers[i]);
      }
      if (group.phase == Phase::kBinding && !early && place != Place::kBinding) {
        return PhaseError("once per binding", group, program.buffers[i]);
      }
    }
    return absl::OkStatus();
  }
  absl::Status PhaseError(const char* when, const Group& group, int value) {
    return Internal("the group of ", OriginText(plan_.graph, group.outputs[0].node), " runs ", when,
                    " but depends on ", variant_.Describe(value));
  }

  absl::Status AddSizes(const Group& group, GroupProgram* program) {
    ExpressionTable& table = variant_.expressions;
    if (group.nest != nullptr) {
      auto [known, fresh] = sized_.try_emplace(group.nest.get(), static_cast<int>(variant_.groups.size()));
      if (!fresh && plan_.groups[known->second].arguments == group.arguments) {
        const GroupProgram& alike = variant_.groups[known->second];
        program->arguments = alike.arguments;
        program->tiles = alike.tiles;
        program->passes = alike.passes;
        program->scratch_bytes = alike.scratch_bytes;
        return AddWork(group, program);
      }
      SKEIN_ASSIGN_OR_RETURN(program->arguments, table.AddAll(group.arguments));
      // What the nest says over arguments, over the graph's symbols.
      SymbolMap arguments;
      for (size_t a = 0; a < group.arguments.size(); ++a) arguments[absl::StrCat("a", a)] = group.arguments[a];
      SKEIN_ASSIGN_OR_RETURN(program->tiles, table.Add(SubstituteSymbols(TileCount(*group.nest), arguments)));
      SKEIN_ASSIGN_OR_RETURN(program->passes, table.Add(SubstituteSymbols(TilePasses(*group.nest), arguments)));
      SKEIN_ASSIGN_OR_RETURN(program->scratch_bytes,
                             table.Add(SubstituteSymbols(LayOutScratch(*group.nest).bytes, arguments)));
    } else {
      SKEIN_ASSIGN_OR_RETURN(program->tiles, table.Add(1));
      SKEIN_ASSIGN_OR_RETURN(program->passes, table.Add(1));
      SKEIN_ASSIGN_OR_RETURN(program->scratch_bytes, table.Add(0));
    }
    return AddWork(group, program);
  }

  absl::Status AddWork(const Group& group, GroupProgram* program) {
    ExpressionTable& table = variant_.expressions;
    SKEIN_ASSIGN_OR_RETURN(program->bytes_read, table.Add(group.bytes_read));
    SKEIN_ASSIGN_OR_RETURN(program->bytes_written, table.Add(group.bytes_written));
    SKEIN_ASSIGN_OR_RETURN(program->flops, table.Add(group.flops));
    return absl::OkStatus();
  }

  // A value that a group of every run writes goes straight into the first output that it is.
  absl::Status AddOutputs() {
    const int end = static_cast<int>(plan_.groups.size());
    for (size_t i = 0; i < plan_.graph.outputs().size(); ++i) {
      SKEIN_ASSIGN_OR_RETURN(int number, Read(plan_.graph.outputs()[i].value));
      MaterializedValue& value = variant_.values[number];
      value.last = end;
      if (value.place == Place::kArena) {
        value.place = Place::kOutput;
        value.index = static_cast<int>(i);
      }
      variant_.output_values.push_back(number);
    }
    return absl::OkStatus();
  }

  Variant& variant_;
  const Plan& plan_;
  absl::flat_hash_map<Value, int> numbers_;
  absl::flat_hash_map<const LoopNest*, int> sized_;  // the first group of each nest
};

}  // namespace

absl::StatusOr<std::unique_ptr<Variant>> LayOutPlan(Plan plan, SymbolValues fixed,
                                                    const SymbolBinder* binder) {
  auto variant = std::make_unique<Variant>(binder);
  variant->plan = std::move(plan);
  variant->fixed = std::move(fixed);
  SKEIN_RETURN_IF_ERROR(PlanLayout(variant.get()).Run());
  return variant;
}

}  // namespace skein
