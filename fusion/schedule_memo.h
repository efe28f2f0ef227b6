// Schedules groups of equal structure once: the layers of a model are the same few kernels, and the planner asks about
// each of them, and about each of its refused neighbours, in every layer.
#ifndef SKEIN_FUSION_SCHEDULE_MEMO_H_
#define SKEIN_FUSION_SCHEDULE_MEMO_H_

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "fusion/schedule.h"

namespace skein {

class ScheduleMemo {
 public:
  // Both must outlive this.
  ScheduleMemo(const Graph& graph, const Target& target);

  // Schedule(graph, spec, target).status(); spec.locality must be the default one.
  absl::Status Fits(const GroupSpec& spec);
  // Schedule(graph, spec, target), with the nest verified. Errors: Internal, with the nest, where that fails.
  absl::StatusOr<Group> Kernel(const GroupSpec& spec);

  // How often the scheduler itself was asked.
  int scheduled() const { return scheduled_; }

  // A number that two nodes share if they have the same op, attributes, result types and known value. Of a node that a
  // kernel only reads, attributes do not matter, and neither does the op.
  int ClassOf(NodeId id) { return ClassOf(id, false); }
  int ClassOfRead(NodeId id) { return ClassOf(id, true); }

 private:
  // What a kernel is made of, without names and places in the graph. Every node that a scheduler may look at is in
  // `nodes`, in the order of the graph, and the key mentions it by its position there.
  struct Structure {
    std::string key;
    std::vector<NodeId> nodes;
  };
  struct Entry {
    std::vector<NodeId> nodes;  // of the group that was scheduled
    absl::Status fits;
    UnfinishedKernel loops;
    std::optional<Group> kernel;  // once it is asked for
  };

  int ClassOf(NodeId id, bool leaf);
  Structure StructureOf(const GroupSpec& spec);
  std::shared_ptr<Entry> Find(const GroupSpec& spec, std::vector<NodeId>* nodes);

  const Graph& graph_;
  const Target target_;
  absl::flat_hash_map<std::string, int> classes_;
  std::vector<int> class_of_, leaf_class_of_;  // by node; -1: not asked yet
  absl::flat_hash_map<std::string, std::shared_ptr<Entry>> entries_;
  // By node, while a structure is found: where it is in `nodes`, and whether it is computed, if `round` is this one's.
  struct Mark {
    int round = 0;
    int position = 0;
    bool computed = false;
    bool decided = false;    // whether its first result is computed
    bool boundary = false;   // of its first result
  };
  std::vector<Mark> marks_;
  std::vector<int32_t> words_;  // of a key, while it is made
  std::string class_key_;       // the same of a class
  std::vector<NodeId> work_;    // nodes whose operands are still to be visited
  int round_ = 0;
  int scheduled_ = 0;
};

}  // namespace skein

#endif  // SKEIN_FUSION_SCHEDULE_MEMO_H_
