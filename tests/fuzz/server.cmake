till_fuzz(ddi_body_fuzz SOURCES ddi_body_fuzz.cc DEPENDS till_hub_planes)
