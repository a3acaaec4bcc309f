# The child programs of the tests that work with task handles.
zx_target_program(target_held SOURCES ${CMAKE_CURRENT_LIST_DIR}/target_held.c)
target_compile_options(target_held PRIVATE -std=gnu11)
zx_target_program(target_task_client SOURCES ${CMAKE_CURRENT_LIST_DIR}/target_task_client.c LINK zxtask)
target_compile_options(target_task_client PRIVATE -std=gnu11)
zx_target_program(target_take SOURCES ${CMAKE_CURRENT_LIST_DIR}/target_take.c)
target_compile_options(target_take PRIVATE -std=gnu11)
zx_target_program(target_hostile_client SOURCES ${CMAKE_CURRENT_LIST_DIR}/target_hostile_client.c LINK zxtask)
target_compile_options(target_hostile_client PRIVATE -std=gnu11)
