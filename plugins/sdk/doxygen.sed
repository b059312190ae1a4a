# What doxygen reads instead of our headers, whose comments are plain: above what they are about, or behind it in
# its line.

# A class that is only declared is documented where it is defined.
/^(class|struct) .*;/s|//.*||
# Headings between members are for who reads the header.
s|^ *// -- .*||
s|^ */\* -- .*\*/$||
# <, as in "GET /jobs/<id>", begins no element.
/^ *\/\/ /s|<|\&lt;|g
# The first comment is the file's.
1s|^/\* ?|/** @file\n * |
1s|^// |/// @file\n/// |
# C++: above a member, and behind it.
s|^( *)//( )|\1///\2|
s|^( *)//$|\1///|
s|^(.*[^ /].*[;,}]) +// |\1 ///< |
s|^( +[a-z_]+ = [A-Z_]+) +// |\1 ///< |
# C: likewise.
s|^( *)/\* |\1/** |
s|^( *[^ /*].*[^ ]) +/\* |\1 /**< |
# A base of its own kind is no recursion.
s|^(struct TaskParameters) : TaskParameters<decltype.*|\1 {};|
