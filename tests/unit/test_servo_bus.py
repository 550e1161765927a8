"""The makers' SDKs and the fake servos understand each other to the byte; what is lost, damaged or missing is said by name."""

from __future__ import annotations

import os

import dynamixel_sdk
import pytest
import scservo_sdk

from hardware.clock import ManualClock
from hardware.fake_dynamixel import DynamixelWire, crc, fake_dynamixel_bus
from hardware.fake_feetech import FeetechWire, fake_feetech_bus
from hardware.fake_servo import FakeServo
from hardware.serial_port import REPLY_MS, WAIT_S, SerialPort
from hardware.servo_bus import dynamixel_bus, feetech_bus
from hardware.servo_table import DYNAMIXEL_X, FEETECH_STS, RAD_PER_COUNT, Register
from robot_rl.errors import DeviceError

IDS = (1, 2, 5)
NAMES = {1: "pan", 2: "lift", 5: "roll"}
MAKES = {"feetech": (fake_feetech_bus, feetech_bus), "dynamixel": (fake_dynamixel_bus, dynamixel_bus)}


@pytest.fixture(params=MAKES)
def buses(request):
    """Yield fake servos, and the real SDK connected to them."""
    make_fake, make_real = MAKES[request.param]
    fake = make_fake(IDS, ManualClock())
    real = make_real(fake.path, NAMES)
    real.connect()
    yield fake, real
    real.close()
    fake.close()


@pytest.fixture(params=[(scservo_sdk, 0, fake_feetech_bus), (dynamixel_sdk, 2.0, fake_dynamixel_bus)], ids=MAKES)
def sdk(request, monkeypatch):
    """Yield a maker's SDK with nothing of ours: module, its own port, packet handler, fake servos."""
    module, protocol, make_fake = request.param
    monkeypatch.setattr(module.port_handler, "LATENCY_TIMER", 500)  # ms: the port spins, and machines are busy
    fake = make_fake(IDS, ManualClock())
    port = module.PortHandler(fake.path)
    assert port.openPort()
    yield module, port, module.PacketHandler(protocol), fake
    port.closePort()
    fake.close()


def test_the_makers_own_port_reads_and_writes(sdk, monkeypatch):
    module, port, packets, fake = sdk
    for servo in IDS:
        model, result, error = packets.ping(port, servo)
        assert (model, result, error) == (fake.servos[servo].get("model"), module.COMM_SUCCESS, 0)
    address = fake.servos[2].table["torque_enable"].address
    assert packets.write1ByteTxRx(port, 2, address, 1) == (module.COMM_SUCCESS, 0)
    assert packets.read1ByteTxRx(port, 2, address) == (1, module.COMM_SUCCESS, 0)
    assert fake.servos[1].get("torque_enable") == 0
    monkeypatch.setattr(module.port_handler, "LATENCY_TIMER", 5)
    assert packets.ping(port, 3)[1] == module.COMM_RX_TIMEOUT


def test_the_makers_own_groups_write_and_read_several(sdk):
    module, port, packets, fake = sdk
    goal = fake.servos[1].table["goal_position"]
    writing = module.GroupSyncWrite(port, packets, goal.address, goal.size)
    for servo in IDS:
        assert writing.addParam(servo, goal.encode(1000 + servo))
    assert writing.txPacket() == module.COMM_SUCCESS
    reading = module.GroupSyncRead(port, packets, goal.address, goal.size)
    for servo in IDS:
        assert reading.addParam(servo)
    assert reading.txRxPacket() == module.COMM_SUCCESS
    assert [reading.getData(servo, goal.address, goal.size) for servo in IDS] == [1001, 1002, 1005]


def test_writes_that_wait_begin_together(sdk):
    module, port, packets, fake = sdk
    goal = fake.servos[1].table["goal_position"]
    assert packets.regWriteTxRx(port, 1, goal.address, goal.size, goal.encode(1500))[0] == module.COMM_SUCCESS
    assert fake.servos[1].get("goal_position") == 2048
    packets.action(port, module.BROADCAST_ID)
    packets.ping(port, 1)
    assert fake.servos[1].get("goal_position") == 1500


def test_a_packet_is_as_the_protocol_documents_it():
    """Feetech's manual: ping of servo 1 and its answer. Robotis' e-manual: ping of servo 1 and the answer of an XM430-W350."""
    instruction, _ = FeetechWire().take(bytearray.fromhex("FF FF 01 02 01 FB"))
    assert instruction is not None
    assert (instruction.servo, instruction.kind) == (1, "ping")
    assert FeetechWire().status(FakeServo(FEETECH_STS, 1), 0, b"").hex(" ").upper() == "FF FF 01 02 00 FC"
    instruction, _ = DynamixelWire().take(bytearray.fromhex("FF FF FD 00 01 03 00 01 19 4E"))
    assert instruction is not None
    assert (instruction.servo, instruction.kind) == (1, "ping")
    answer = DynamixelWire().status(FakeServo(DYNAMIXEL_X, 1, 1030), 0, bytes.fromhex("06 04 26"))
    assert answer.hex(" ").upper() == "FF FF FD 00 01 07 00 55 00 06 04 26 65 5D"


def test_the_crc_is_the_sdks():
    packets = dynamixel_sdk.PacketHandler(2.0)
    for length in (0, 1, 7, 40):
        data = os.urandom(length)
        assert crc(data) == packets.updateCRC(0, data, length)


def test_a_header_among_the_parameters_is_stuffed():
    data = bytes.fromhex("01 FF FF FD 02")
    answer = DynamixelWire().status(FakeServo(DYNAMIXEL_X, 1), 0, data)
    assert bytes.fromhex("01 FF FF FD FD 02") in answer
    packet = list(answer)
    unstuffed = dynamixel_sdk.PacketHandler(2.0).removeStuffing(packet)
    assert bytes(unstuffed[9:14]) == data


def test_an_instruction_with_a_wrong_checksum_is_not_followed(buses):
    fake, real = buses
    with open(fake.path, "wb", buffering=0) as raw:
        raw.write(
            bytes.fromhex("FF FF 01 02 01 00" if fake.servos[1].table.make == "feetech" else "FF FF FD 00 01 03 00 01 00 00")
        )
    real.read(IDS)
    assert fake.num_damaged == 1


def test_positions_speeds_and_signs_are_understood(buses):
    fake, real = buses
    fake.servos[2].place(777)
    fake.servos[5].speed = -100 * real.table.speed_unit / RAD_PER_COUNT
    fake.servos[5].set("load", -250)
    readings = real.read(IDS)
    assert [readings[servo].position for servo in IDS] == [2048, 777, 2048]
    assert readings[5].voltage_v == {"feetech": 7.4, "dynamixel": 12.0}[real.table.make]
    assert readings[5].speed == pytest.approx(-100 * real.table.speed_unit)
    assert readings[5].load == -0.25


@pytest.mark.parametrize("fault", ["corrupt_next", "lose_next"])
def test_one_lost_or_damaged_answer_is_asked_for_again(buses, fault):
    fake, real = buses
    setattr(fake, fault, 1)
    assert real.read(IDS)[2].position == 2048
    setattr(fake, fault, 1)
    assert real.read_some(IDS).keys() == set(IDS)
    setattr(fake, fault, 1)
    real.write("torque_enable", 1, 1)
    assert fake.servos[1].get("torque_enable") == 1


def test_answers_that_stay_damaged_are_an_error(buses):
    fake, real = buses
    fake.corrupt_next = 3 * len(IDS)
    with pytest.raises(DeviceError, match=r"damaged \(Incorrect status packet\), three times.*the same id"):
        real.read(IDS)
    assert real.read(IDS)


def test_a_silent_servo_is_named_and_the_rest_can_be_read(buses):
    fake, real = buses
    fake.servos[2].is_silent = True
    with pytest.raises(DeviceError, match=rf"no answer from servo 2 \(lift\) on {fake.path}; check its cable"):
        real.read(IDS)
    assert real.read_some(IDS).keys() == {1, 5}
    with pytest.raises(DeviceError, match=r"servo 2 \(lift\).*did not take torque_enable = 1"):
        real.write("torque_enable", 2, 1)


def test_a_late_answer_is_not_taken_for_the_next_one(buses):
    """Bytes that came after their time are forgotten before the next question."""
    fake, real = buses
    late = fake._wire.status(fake.servos[1], 0, bytes(real.table.state_block[1]))
    os.write(fake._master, late)
    assert real.read(IDS)[1].position == 2048


def test_goals_are_read_back(buses):
    fake, real = buses
    real.write_all("goal_position", {1: 1000, 5: 3000})
    assert [fake.servos[servo].get("goal_position") for servo in IDS] == [1000, 2048, 3000]
    real.send_all = lambda name, values: None  # as if every packet were lost
    with pytest.raises(DeviceError, match=r"goal_position was not taken: servo 1 \(pan\) on .* keeps 1000"):
        real.write_all("goal_position", {1: 1200})


def test_what_dynamixels_report_is_looked_up():
    fake = fake_dynamixel_bus(IDS, ManualClock())
    real = dynamixel_bus(fake.path, NAMES)
    real.connect()
    fake.servos[2].faults = 0x21
    fake.servos[2].advance(0.0)
    readings = real.read(IDS)
    assert readings[2].faults == ("voltage out of range", "overload")
    assert readings[1].faults == ()
    real.close()
    fake.close()


@pytest.mark.parametrize("make", MAKES)
def test_an_unknown_model_is_refused(make):
    make_fake, make_real = MAKES[make]
    fake = make_fake(IDS, ManualClock())
    fake.servos[5].set("model", 12345)
    with pytest.raises(DeviceError, match=r"servo 5 \(roll\).*is model 12345.*known: "):
        make_real(fake.path, NAMES).connect()
    fake.close()


def test_a_port_that_is_not_there_lists_those_that_are():
    with pytest.raises(DeviceError, match=r"/dev/ttyNONE cannot be opened at 1000000 baud.*serial ports here: .*group dialout"):
        feetech_bus("/dev/ttyNONE", NAMES).connect()


def test_an_unplugged_port_is_gone_until_it_is_opened_again(buses):
    fake, real = buses
    fake.unplug()
    for call in (lambda: real.read(IDS), lambda: real.read_some(IDS), lambda: real.write("torque_enable", 1, 1)):
        with pytest.raises(DeviceError, match=r"is gone .*check the USB cable"):
            call()
    real.close()
    real.close()


def test_an_answer_has_its_time_and_a_sleeping_program_looks_again():
    now = [0.0]
    port = SerialPort("/dev/null", 1_000_000, now=lambda: now[0])
    port._serial = type("Empty", (), {"read": lambda self, length: b""})()
    port.setPacketTimeout(20)
    now[0] = 1.0  # the machine was busy with something else, and nobody looked at the port
    assert not port.isPacketTimeout()
    for _ in range(int(REPLY_MS / 1000 / WAIT_S)):
        port.readPort(6)
    assert port.isPacketTimeout()
    port.setPacketTimeout(20)
    assert not port.isPacketTimeout()


@pytest.mark.parametrize(
    ("register", "value", "data"),
    [
        (Register(0, 2, 15), -5, [5, 0x80]),
        (Register(0, 2, 11), -2047, [0xFF, 0x0F]),
        (Register(0, 4, "complement"), -2, [0xFE, 0xFF, 0xFF, 0xFF]),
        (Register(0, 2), 777, [9, 3]),
    ],
)
def test_registers_write_negative_numbers_in_their_own_way(register, value, data):
    assert register.encode(value) == data
    assert register.decode(data) == value


@pytest.mark.parametrize(
    ("register", "value"), [(Register(0, 2, 11), 2048), (Register(0), -1), (Register(0, 2, "complement"), 40_000)]
)
def test_a_number_that_does_not_fit_is_refused_rather_than_cut(register, value):
    with pytest.raises(ValueError, match=str(value)):
        register.encode(value)
