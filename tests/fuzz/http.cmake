till_fuzz(http_request_fuzz
  SOURCES http_request_fuzz.cc
  DEPENDS till_http_server)
till_fuzz(range_fuzz
  SOURCES range_fuzz.cc
  DEPENDS till_http_server)
