/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Reading directories. Entries stay in the layout in which the daemon sent them; each is checked, what is cut off at the end is
 * dropped, and READDIRPLUS's entries are made ours in place: nodeids as hosts know them, each a lookup for the host.
 */
#include <errno.h>

#include "base/log.h"
#include "vnode/priv.h"

/* "." and ".." carry no lookup. */
static bool
is_dots(const struct wire_direntry *e)
{
	return e->name[0] == '.' && (e->namelen == 1 || (e->namelen == 2 && e->name[1] == '.'));
}

static void
plus_entry(struct vn_mount *mp, const struct vn_node *dvp, const struct wire_direntry *e)
{
	struct wire_entry_out plus = *e->plus;
	struct vop_entry entry;

	e->plus->nodeid = 0;
	if (plus.nodeid == 0 || is_dots(e))
		return;
	if (vn_entry(mp, dvp, e->name, e->namelen, &plus, 0, &entry) == 0)
		e->plus->nodeid = entry.nodeid; /* else the name is shown, without attributes */
}

void
vop_readdir_undo(struct vn_mount *mp, const struct vop_data *data)
{
	struct wire_direntry e;
	struct wire_dir dir;

	wire_dir_init(&dir, data->p, data->len, true);
	while (wire_dir_next(&dir, &e) == 0) {
		if (e.plus->nodeid != 0)
			vop_forget(mp, e.plus->nodeid, 1);
	}
}

int
vop_readdir(struct vn_mount *mp, const struct vop_cred *cred, struct vn_node *vp, struct vn_file *file,
    const struct vop_io *io, bool plus, struct vop_data *out)
{
	struct conn_call c;
	struct wire_direntry e;
	struct wire_dir dir;
	unsigned count = 0;
	int error;

	vn_call_init(&c, plus ? WIRE_READDIRPLUS : WIRE_READDIR, vp, cred);
	c.in.read.fh = vn_fh(file);
	c.in.read.offset = io->offset;
	c.in.read.size = io->size;
	c.in.read.read_flags = io->io_flags;
	c.in.read.lock_owner = io->lock_owner;
	c.in.read.flags = io->flags;
	c.limit = io->size;
	if ((error = vn_call(mp, &c)) != 0)
		return error;
	wire_dir_init(&dir, c.rep.data, c.rep.datalen, plus);
	while ((error = wire_dir_next(&dir, &e)) == 0) {
		if (plus)
			plus_entry(mp, vp, &e);
		count++;
	}
	log_debug(LOG_D_READDIR, "readdir nodeid %llu offset %llu: %u entries", (unsigned long long)vn_nodeid(vp),
	    (unsigned long long)io->offset, count);
	vn_call_data(&c, out);
	out->len = (size_t)(dir.p - out->p);
	if (error == ENOENT)
		return 0;
	if (plus)
		vop_readdir_undo(mp, out);
	vop_data_done(out);
	return EIO;
}
