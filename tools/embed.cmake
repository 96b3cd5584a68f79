# Turns text files into one C file of strings: cmake -DOUT=FILE -DNAME=TABLE "-DFILES=a;b" -P embed.cmake
# The C file defines `const EmbeddedText TABLE[]`, ended by a row without name (backend_opencl/program.h).
set(text "#include \"program.h\"\n\nconst EmbeddedText ${NAME}[] = {\n")
foreach(file ${FILES})
  get_filename_component(name ${file} NAME)
  file(READ ${file} body)
  string(REPLACE "\\" "\\\\" body "${body}")
  string(REPLACE "\"" "\\\"" body "${body}")
  string(REPLACE "\n" "\\n\"\n\"" body "${body}")
  string(APPEND text "{\"${name}\",\n\"${body}\"},\n")
endforeach()
string(APPEND text "{0, 0},\n};\n")
file(WRITE ${OUT} "${text}")
