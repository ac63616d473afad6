"""The published models of SOAP and Unique3D, for those who have their weights: portrait -> six views -> six normals.

`views.unique3d_views` is the generator, `loading.find_weights` says where the weights belong, and
`loading.load_soap_pipeline` makes a diffusers pipeline of a folder of them.
"""
