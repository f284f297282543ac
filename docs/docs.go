// Package docs holds the documents that the programs print.
package docs

import _ "embed"

// Assumptions is docs/assumptions.md: what nobody has verified on a live
// account, and how the program notices that it is wrong.
//
//go:embed assumptions.md
var Assumptions string
