// What the C++ layer writes, for those who read it. Apart, since both sides are namespace madang.
#pragma once

#include <string>
#include <vector>

namespace sdk_texts {

std::string task_options();  // every option set
std::string plain_task_options();
std::vector<std::string> requests();   // signatures with every member, workflows
std::vector<std::string> schedules();  // both kinds

}  // namespace sdk_texts
