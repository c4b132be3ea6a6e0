till_fuzz(json_fuzz
  SOURCES json_fuzz.cc
  DEPENDS till_json)
till_fuzz(tuf_json_fuzz
  SOURCES tuf_json_fuzz.cc
  DEPENDS till_tuf)
