// Memory that making a kernel wants, and making the next one wants again.
#ifndef SKEIN_CODEGEN_RECYCLED_H_
#define SKEIN_CODEGEN_RECYCLED_H_

#include <utility>
#include <vector>

namespace skein {

// A vector that begins with the room of one that this thread has done with: what a kernel asks for is more than malloc
// keeps at hand, and finding, splitting and joining such blocks took 5% of its time. What is kept is bounded by the most
// that were alive at once, each as large as any has been.
template <typename T>
class Recycled : public std::vector<T> {
 public:
  Recycled() {
    if (Spare().empty()) return;
    this->swap(Spare().back());
    Spare().pop_back();
  }
  Recycled(Recycled&&) = default;
  Recycled& operator=(Recycled&& other) {
    this->swap(other);
    return *this;
  }
  ~Recycled() {
    if (this->capacity() == 0) return;  // moved from
    this->clear();
    Spare().emplace_back().swap(*this);
  }

 private:
  static std::vector<std::vector<T>>& Spare() {
    thread_local std::vector<std::vector<T>> spare;
    return spare;
  }
};

}  // namespace skein

#endif  // SKEIN_CODEGEN_RECYCLED_H_
