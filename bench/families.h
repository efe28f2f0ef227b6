// The families of skein-bench: each adds its rows to Google Benchmark. To add one, write
// bench/<name>_family.cc with a function like the ones below and add its line to families.cc.
#pragma once

#include <span>

namespace skein {

struct Family {
  const char* name;     // first part of every row's name, as in "softmax/512/DRAM"
  const char* summary;  // one line for --help
  void (*add_rows)();
};
std::span<const Family> Families();

void AddCeilings();
void AddPointwise();
void AddSoftmax();
void AddNorms();
void AddReductions();
void AddTransposes();
void AddGathers();
void AddConcats();
void AddScans();
void AddConversions();
void AddFusion();
void AddGemm();
void AddOneDnn();  // only where oneDNN is installed

}  // namespace skein
