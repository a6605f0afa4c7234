"""Drawn cells and photographs as files on disk."""

from PIL import Image

from malariafuse.datasets import make_cell_images, make_smear_photos


def write_cells(folder, n_cells=300, n_patients=12, *, random_state=0):
    """Write drawn cells into a folder for each class."""
    cells = make_cell_images(n_cells, n_patients, random_state=random_state)
    for image, name, target in zip(
        cells.images, cells.filenames, cells.target, strict=True
    ):
        of_class = folder / ("Parasitized" if target else "Uninfected")
        of_class.mkdir(parents=True, exist_ok=True)
        Image.fromarray(image).save(of_class / name)
    return folder


def write_photos(folder, n_photos=2, *, random_state=0):
    """Write drawn photographs of one patient."""
    folder.mkdir(parents=True, exist_ok=True)
    smear = make_smear_photos(
        n_photos, 30, photo_size=(360, 480), diameter=48, random_state=random_state
    )
    paths = [folder / f"field_{place}.png" for place in range(n_photos)]
    for path, photo in zip(paths, smear.photos, strict=True):
        Image.fromarray(photo).save(path)
    return paths
