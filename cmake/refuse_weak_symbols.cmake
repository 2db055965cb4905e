# Fails if `nm` reports a weak, vague or unique symbol (classes W w V v u) in OBJECTS; writes what it saw to LISTING.
execute_process(COMMAND ${NM} -C ${OBJECTS} OUTPUT_VARIABLE symbols COMMAND_ERROR_IS_FATAL ANY)
string(REGEX MATCHALL "[^\n]* [WwVvu] [^\n]*" weak "${symbols}")
if(weak)
  list(JOIN weak "\n" weak)
  message(FATAL_ERROR "Kernel objects hold weak symbols; give them internal linkage:\n${weak}")
endif()
file(WRITE ${LISTING} "${symbols}")
