till_fuzz(squashfs_fuzz SOURCES ${CMAKE_CURRENT_LIST_DIR}/squashfs_fuzz.cc DEPENDS till_delta_container)
till_fuzz(members_fuzz SOURCES ${CMAKE_CURRENT_LIST_DIR}/members_fuzz.cc DEPENDS till_delta_container)
