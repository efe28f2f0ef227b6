// Reducers that look for a place: argmax and argmin, however they are spelled.
#ifndef SKEIN_FUSION_FIRST_PLACE_H_
#define SKEIN_FUSION_FIRST_PLACE_H_

#include <optional>

#include "ir/graph.h"

namespace skein {

struct FirstPlace {
  bool of_largest;  // else of the smallest
};

// Whether a reducer over pairs (f32 element, integer place) results in the least place of the best element, NaN being
// better than any number. A combine that consists of comparisons and choices is known by what it chooses in each of
// the 18 cases that there are: two elements are less, equal, greater, or one or both are NaN; places less, equal,
// greater.
// The initial place is later than all that there are, or counts among them.
std::optional<FirstPlace> FindFirstPlace(const Reducer& reducer);

}  // namespace skein

#endif  // SKEIN_FUSION_FIRST_PLACE_H_
