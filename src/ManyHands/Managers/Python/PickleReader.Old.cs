using System.Globalization;
using System.Numerics;
using System.Text;

namespace ManyHands.Managers;

/// <summary>The opcodes of protocols 0 to 3 that 4 and 5 do without: they carry lines of text.</summary>
internal ref partial struct PickleReader
{
    private void ExecuteOld(PickleOpcode opcode)
    {
        if (protocol >= 4)
            throw NotTaken(opcode);
        switch (opcode)
        {
            case PickleOpcode.Int: Push(ReadIntLine()); break;
            case PickleOpcode.Long: Push(ReadLongLine()); break;
            case PickleOpcode.Float: Push(ReadFloatLine()); break;
            case PickleOpcode.String: Push(PickleEncodings.ReadQuoted(ReadLine())); break;
            case PickleOpcode.BinString: Push(Encoding.Latin1.GetString(ReadBytes(ReadLength4()))); break;
            case PickleOpcode.ShortBinString: Push(Encoding.Latin1.GetString(ReadBytes(ReadByte()))); break;
            case PickleOpcode.Unicode: Push(PickleEncodings.ReadEscaped(ReadLine())); break;
            case PickleOpcode.Global: Push(PickleGlobals.Find(ReadName(), ReadName(), limits)); break;
            case PickleOpcode.Put: Memoize(ReadIndexLine()); break;
            case PickleOpcode.Get: Recall(ReadIndexLine()); break;
            default: throw NotTaken(opcode);
        }
    }

    private object ReadIntLine()
    {
        ReadOnlySpan<byte> line = ReadLine();

        // So protocols 0 and 1 write True and False.
        if (line.SequenceEqual("01"u8))
            return PickleBoxes.True;
        return line.SequenceEqual("00"u8) ? PickleBoxes.False : ReadDigits(line);
    }

    private object ReadLongLine()
    {
        ReadOnlySpan<byte> line = ReadLine();
        return ReadDigits(line is [.. var digits, (byte)'L'] ? digits : line);
    }

    private static object ReadDigits(ReadOnlySpan<byte> line)
    {
        if (line.Length > LongestNumberText)
            throw Invalid($"an integer of {line.Length:N0} digits; at most {LongestNumberText:N0} are taken");
        if (!BigInteger.TryParse(Encoding.Latin1.GetString(line), NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture, out BigInteger number))
            throw Invalid("an integer that is none");
        return Reduced(number);
    }

    private double ReadFloatLine()
    {
        ReadOnlySpan<byte> line = ReadLine();
        if (line.SequenceEqual("inf"u8))
            return double.PositiveInfinity;
        if (line.SequenceEqual("-inf"u8))
            return double.NegativeInfinity;

        // .NET's NaN is negative, Python's isn't.
        if (line.SequenceEqual("nan"u8) || line.SequenceEqual("-nan"u8))
            return line[0] == (byte)'-' ? double.NaN : BitConverter.Int64BitsToDouble(0x7FF8000000000000);
        if (line.Length > LongestNumberText || !double.TryParse(line, NumberStyles.Float, CultureInfo.InvariantCulture, out double number))
            throw Invalid("a float that is none");
        return number;
    }

    private long ReadIndexLine()
    {
        if (!uint.TryParse(ReadLine(), NumberStyles.None, CultureInfo.InvariantCulture, out uint index))
            throw Invalid("a place of the memo that is no number");
        return index;
    }

    private string ReadName() => Encoding.Latin1.GetString(ReadLine());

    private ReadOnlySpan<byte> ReadLine()
    {
        int length = pickle[position..].IndexOf((byte)'\n');
        if (length < 0)
            throw Invalid("it ends in the middle of a line");
        ReadOnlySpan<byte> line = ReadBytes(length);
        position++;
        return line;
    }

    private readonly InvalidPickleException NotTaken(PickleOpcode opcode) =>
        Invalid($"the opcode 0x{(byte)opcode:X2} is not among those that plain values are written with in protocol {protocol}");
}
