// Rows one element at a time, or four with FOUR defined: then rows are a multiple
// of 4 long, and all tensors of type VECTOR begin at one.
#ifdef FOUR
#define VECTOR vec4
#define WIDTH 4
float across(vec4 v) { return (v.x + v.y) + (v.z + v.w); }
#else
#define VECTOR float
#define WIDTH 1
float across(float v) { return v; }
#endif
