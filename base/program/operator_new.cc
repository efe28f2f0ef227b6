// operator new and delete of Skein's programs; a library that others link must leave theirs alone.
//
// A compilation asks for tens of thousands of small objects, which glibc keeps few of at hand: new and delete took 190
// instructions a pair and a tenth of the time, from the first compilation of a process on. Here objects of at most 1 KiB lie
// in lists by size, a thread's own, and are cut from blocks; larger ones are malloc's.
#include <cstdint>
#include <cstdlib>
#include <mutex>
#include <new>

namespace {

// Sizes are multiples of 16 bytes and begin with a word that says their class, the multiple; 0: it is malloc's. What
// follows that word is aligned to 16 bytes.
constexpr size_t kUnit = 16, kClasses = 65;
constexpr size_t kMostSmall = (kClasses - 1) * kUnit - sizeof(uint64_t);
constexpr size_t kBlock = 64 << 10;
// A thread keeps as many bytes of a class: one that only deletes what another one makes gives lists back.
constexpr size_t kMostKept = 1 << 20;

struct FreeObject {
  FreeObject* next;
  FreeObject* next_list;  // of the first object of a list that nobody has
  size_t count;           // likewise: objects of the list
};
struct List {
  FreeObject* first;
  size_t count;
};

constinit thread_local List lists[kClasses];
constinit thread_local char* block_at = nullptr;
constinit thread_local char* block_end = nullptr;

// Lists of threads that have ended or had too much, by class.
constinit std::mutex given_mutex;
constinit FreeObject* given[kClasses];

[[gnu::noinline]] void Give(size_t size_class) {
  List& list = lists[size_class];
  if (list.first == nullptr) return;
  std::lock_guard lock(given_mutex);
  list.first->next_list = given[size_class];
  list.first->count = list.count;
  given[size_class] = list.first;
  list = {};
}

struct GiveAtThreadEnd {
  ~GiveAtThreadEnd() {
    for (size_t c = 0; c < kClasses; ++c) Give(c);
  }
  bool made = false;
};
thread_local GiveAtThreadEnd give_at_thread_end;
constinit thread_local bool gives_at_end = false;

[[gnu::noinline]] void ArrangeToGiveAtEnd() { gives_at_end = give_at_thread_end.made = true; }

bool TakeGiven(size_t size_class) {
  std::lock_guard lock(given_mutex);
  FreeObject* const first = given[size_class];
  if (first == nullptr) return false;
  given[size_class] = first->next_list;
  lists[size_class] = {first, first->count};
  ArrangeToGiveAtEnd();
  return true;
}

void* Allocate(size_t bytes) {
  void* const memory = std::malloc(bytes);
  if (memory == nullptr) throw std::bad_alloc();
  return memory;
}

void* WithClass(void* memory, size_t size_class) {
  static_cast<uint64_t*>(memory)[1] = size_class;
  return static_cast<uint64_t*>(memory) + 2;
}

void* Take(size_t size_class);

// An object where the thread's list has none.
[[gnu::noinline]] void* Cut(size_t size_class) {
  const size_t bytes = size_class * kUnit;
  if (static_cast<size_t>(block_end - block_at) < bytes) {
    if (TakeGiven(size_class)) return Take(size_class);
    block_at = static_cast<char*>(Allocate(kBlock));
    block_end = block_at + kBlock - kUnit;  // the words of classes lie before multiples of 16
  }
  char* const object = block_at;
  block_at += bytes;
  return WithClass(object, size_class);
}

void* Take(size_t size_class) {
  List& list = lists[size_class];
  if (list.first == nullptr) return Cut(size_class);
  FreeObject* const object = list.first;
  list.first = object->next;
  --list.count;
  return object;
}

}  // namespace

// The other forms are made of these by the standard library, but for those of greater alignment, which have nothing to do
// with them.
void* operator new(size_t size) {
  if (size <= kMostSmall) [[likely]] {
    return Take(size <= sizeof(FreeObject) ? 2 : (size + sizeof(uint64_t) + kUnit - 1) / kUnit);
  }
  if (size > SIZE_MAX - kUnit) throw std::bad_alloc();
  return WithClass(Allocate(size + kUnit), 0);
}

void operator delete(void* pointer) noexcept {
  if (pointer == nullptr) return;
  const size_t size_class = static_cast<uint64_t*>(pointer)[-1];
  if (size_class == 0) {
    std::free(static_cast<uint64_t*>(pointer) - 2);
    return;
  }
  List& list = lists[size_class];
  if (!gives_at_end) [[unlikely]] ArrangeToGiveAtEnd();
  FreeObject* const object = new (pointer) FreeObject;
  object->next = list.first;
  list.first = object;
  if (++list.count * size_class > kMostKept / kUnit) Give(size_class);
}

void operator delete(void* pointer, size_t) noexcept { operator delete(pointer); }
