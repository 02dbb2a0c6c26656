/* Ranges of message types, one per owner, so that a misdirected frame is never misread. */
#ifndef IPC_TYPES_H
#define IPC_TYPES_H

enum ipc_range {
	IPC_RANGE_MASTER = 0x0100,    /* service/control.h: master and its workers */
	IPC_RANGE_DIRECTORY = 0x0200, /* directory/messages.h */
	IPC_RANGE_QUEUE = 0x0300,     /* queue/messages.h: submitters and operators to qmgr */
	IPC_RANGE_AGENT = 0x0400,     /* queue/agent_messages.h: qmgr and agents */
	IPC_RANGE_LOGIN = 0x0500,     /* login/messages.h: login programs to imapd and pop3d */
	IPC_RANGE_STORE = 0x0600,     /* store/messages.h: notices between programs that have accounts open */
	IPC_TYPE_ERROR = 0xffff,
};

#endif
