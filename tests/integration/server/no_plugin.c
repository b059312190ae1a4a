int madang_test_no_plugin(void) { return 1; }
