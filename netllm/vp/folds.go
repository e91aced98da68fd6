// Cross-validation: choices are made without the test split.

package vp

import "slices"

// Fold is one division of what may be trained on: videos and users of the two parts are
// disjoint.
type Fold struct{ Train, Valid Split }

// Folds divides the videos and the users of some splits into k groups each and returns, for each
// group, that of the videos times that of the users to validate on, and all the others, times each other, to
// train on. Groups are dealt in the order of the numbers.
func Folds(splits []Split, k int) []Fold {
	var videos, users []int
	for _, s := range splits {
		videos, users = append(videos, s.Videos...), append(users, s.Users...)
	}
	slices.Sort(videos)
	slices.Sort(users)
	folds := make([]Fold, k)
	deal := func(numbers []int, part func(f *Fold, valid bool) *[]int) {
		for i, n := range slices.Compact(numbers) {
			for f := range folds {
				list := part(&folds[f], i%k == f)
				*list = append(*list, n)
			}
		}
	}
	deal(videos, func(f *Fold, valid bool) *[]int { return &f.of(valid).Videos })
	deal(users, func(f *Fold, valid bool) *[]int { return &f.of(valid).Users })
	return folds
}

func (f *Fold) of(valid bool) *Split {
	if valid {
		return &f.Valid
	}
	return &f.Train
}
