till_fuzz(rsql_fuzz SOURCES rsql_fuzz.cc DEPENDS till_rsql)
till_fuzz(multipart_fuzz SOURCES multipart_fuzz.cc DEPENDS till_multipart)
