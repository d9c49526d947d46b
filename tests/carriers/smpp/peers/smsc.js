// An SMSC on node-smpp: it reports its port, submit_sm and deliver_sm_resp as lines of JSON, and sends receipts.
const smpp = require("smpp");

const say = (fact) => process.stdout.write(JSON.stringify(fact) + "\n");
let taken = 0;

function receipt(session, pdu, id) {
  const text = `id:${id} sub:001 dlvrd:001 submit date:2611220434 done date:2611220435 stat:DELIVRD err:000 text:-`;
  session.deliver_sm(
    {
      source_addr: pdu.destination_addr,
      destination_addr: pdu.source_addr,
      esm_class: 4,
      short_message: text,
      receipted_message_id: id,
      message_state: 2,
    },
    (answer) => say({ heard: id, status: answer.command_status }),
  );
}

function take(session, pdu) {
  const id = (0xbeef00 + ++taken).toString(16);
  session.send(pdu.response({ message_id: id }));
  const body = pdu.short_message.message || (pdu.message_payload && pdu.message_payload.message);
  say({
    id,
    to: pdu.destination_addr,
    sender: pdu.source_addr,
    sender_ton: pdu.source_addr_ton,
    text: Buffer.isBuffer(body) ? body.toString("hex") : body,
    coding: pdu.data_coding,
    header: pdu.short_message.udh ? Buffer.concat(pdu.short_message.udh).toString("hex") : "",
    sar: pdu.sar_msg_ref_num === undefined ? null : [pdu.sar_msg_ref_num, pdu.sar_total_segments, pdu.sar_segment_seqnum],
    reference: pdu.user_message_reference,
    validity: pdu.validity_period,
  });
  if (pdu.registered_delivery) receipt(session, pdu, id);
}

function serve(session) {
  for (const bind of ["bind_transmitter", "bind_receiver", "bind_transceiver"]) {
    session.on(bind, (pdu) => {
      const refused = pdu.password !== "secret";
      session.send(pdu.response({ command_status: refused ? smpp.ESME_RINVPASWD : 0 }));
      say({ bind, refused });
    });
  }
  session.on("submit_sm", (pdu) => take(session, pdu));
  session.on("enquire_link", (pdu) => session.send(pdu.response()));
  session.on("unbind", (pdu) => {
    say({ unbind: true });
    session.send(pdu.response());
    session.close();
  });
  session.on("error", (error) => say({ error: String(error) }));
}

const server = smpp.createServer(serve);
server.listen(0, "127.0.0.1", () => say({ port: server.address().port }));
process.stdin.on("end", () => process.exit(0)).resume();
