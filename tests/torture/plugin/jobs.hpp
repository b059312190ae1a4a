#pragma once

#include <madang/plugin.hpp>

void add_torture_tasks(madang::Plugin& plugin);
