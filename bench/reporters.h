// How rows are printed: a table for the terminal, or Markdown for docs/performance.md.
#pragma once

#include <benchmark/benchmark.h>

#include <memory>

namespace skein {

enum class TableStyle { kPlain, kMarkdown };

// Narrower than Google Benchmark's own: a row is one measurement, so iterations and CPU time say
// nothing.
std::unique_ptr<benchmark::BenchmarkReporter> MakeTable(TableStyle style);

}  // namespace skein
