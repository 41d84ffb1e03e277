using System.Buffers;
using System.Buffers.Binary;
using System.Globalization;
using System.Text;
using System.Text.Unicode;

namespace ManyHands.Managers;

/// <summary>Python's ways to write texts and numbers. Its texts may have halves of surrogate pairs, each written as three bytes.</summary>
internal static class PickleEncodings
{
    public static string ReadUtf8(ReadOnlySpan<byte> bytes)
    {
        if (bytes.IsEmpty)
            return "";
        char[]? rented = null;
        Span<char> text = bytes.Length <= 256 ? stackalloc char[256] : rented = ArrayPool<char>.Shared.Rent(bytes.Length);
        try
        {
            int length = 0;
            while (true)
            {
                OperationStatus status = Utf8.ToUtf16(bytes, text[length..], out int read, out int written, replaceInvalidSequences: false);
                bytes = bytes[read..];
                length += written;
                if (status == OperationStatus.Done)
                    return new string(text[..length]);
                if (bytes is not [0xED, >= 0xA0 and <= 0xBF, >= 0x80 and <= 0xBF, ..])
                    throw PickleReader.Invalid("a text that is not UTF-8");
                if (length > 0)
                    ThrowIfPair(text[length - 1], (char)(0xD000 | ((bytes[1] & 0x3F) << 6) | (bytes[2] & 0x3F)));
                text[length++] = (char)(0xD000 | ((bytes[1] & 0x3F) << 6) | (bytes[2] & 0x3F));
                bytes = bytes[3..];
            }
        }
        finally
        {
            if (rented is not null)
                ArrayPool<char>.Shared.Return(rented);
        }
    }

    /// <summary>Writes a text into room for three bytes a character; returns how many it took.</summary>
    public static int WriteUtf8(ReadOnlySpan<char> text, Span<byte> bytes)
    {
        int length = 0;
        while (true)
        {
            OperationStatus status = Utf8.FromUtf16(text, bytes[length..], out int read, out int written, replaceInvalidSequences: false);
            text = text[read..];
            length += written;
            if (status == OperationStatus.Done)
                return length;

            // A half of a pair, perhaps at the very end.
            char half = text[0];
            bytes[length++] = (byte)(0xE0 | (half >> 12));
            bytes[length++] = (byte)(0x80 | ((half >> 6) & 0x3F));
            bytes[length++] = (byte)(0x80 | (half & 0x3F));
            text = text[1..];
        }
    }

    /// <summary>Up to eight bytes in two's complement, the lowest first.</summary>
    public static bool TryReadInt64(ReadOnlySpan<byte> bytes, out long number)
    {
        number = 0;
        if (bytes.Length > 8)
            return false;
        if (bytes.IsEmpty)
            return true;
        Span<byte> all = stackalloc byte[8];
        all.Fill((bytes[^1] & 0x80) != 0 ? (byte)0xFF : (byte)0);
        bytes.CopyTo(all);
        number = BinaryPrimitives.ReadInt64LittleEndian(all);
        return true;
    }

    /// <summary>A line of protocol 0: Latin-1, and backslash u and backslash U for the rest.</summary>
    public static string ReadEscaped(ReadOnlySpan<byte> line)
    {
        StringBuilder text = new(line.Length);
        while (!line.IsEmpty)
        {
            int digits = line[0] != (byte)'\\' || line.Length < 2 ? 0 : line[1] switch { (byte)'u' => 4, (byte)'U' => 8, _ => 0 };
            if (digits == 0)
            {
                text.Append((char)line[0]);
                line = line[1..];
                continue;
            }

            uint code = ReadHex(line[2..], digits);
            if (code > 0x10FFFF)
                throw PickleReader.Invalid("a character that is none");
            if (code > 0xFFFF)
                text.Append(new Rune(code).ToString());
            else
                AppendUnit(text, (char)code);
            line = line[(2 + digits)..];
        }

        return text.ToString();
    }

    /// <summary>A text of Python 2 as its source would have it, quotes and escapes included. Bytes beyond ASCII are taken for Latin-1.</summary>
    public static string ReadQuoted(ReadOnlySpan<byte> line)
    {
        if (line.Length < 2 || line[0] is not ((byte)'\'' or (byte)'"') || line[^1] != line[0])
            throw PickleReader.Invalid("a text without its quotes");
        line = line[1..^1];
        StringBuilder text = new(line.Length);
        while (!line.IsEmpty)
        {
            if (line[0] != (byte)'\\')
            {
                text.Append((char)line[0]);
                line = line[1..];
                continue;
            }

            if (line.Length < 2)
                throw PickleReader.Invalid("a text that ends in an escape");
            if (line[1] == (byte)'x')
            {
                text.Append((char)ReadHex(line[2..], 2));
                line = line[4..];
                continue;
            }

            text.Append(line[1] switch
            {
                (byte)'n' => '\n',
                (byte)'r' => '\r',
                (byte)'t' => '\t',
                (byte)'\\' or (byte)'\'' or (byte)'"' => (char)line[1],
                _ => throw PickleReader.Invalid("a text with an unknown escape"),
            });
            line = line[2..];
        }

        return text.ToString();
    }

    private static void AppendUnit(StringBuilder text, char unit)
    {
        if (text.Length > 0)
            ThrowIfPair(text[^1], unit);
        text.Append(unit);
    }

    /// <summary>Python can have both halves of a pair as two characters, .NET can't.</summary>
    private static void ThrowIfPair(char before, char unit)
    {
        if (char.IsSurrogatePair(before, unit))
            throw PickleReader.Invalid("a str with the two halves of a surrogate pair as two characters, which would become one; send text.encode('utf-16', 'surrogatepass').decode('utf-16')");
    }

    private static uint ReadHex(ReadOnlySpan<byte> digits, int count)
    {
        if (digits.Length < count || !uint.TryParse(digits[..count], NumberStyles.AllowHexSpecifier, CultureInfo.InvariantCulture, out uint code))
            throw PickleReader.Invalid("an escape without its digits");
        return code;
    }
}

/// <summary>Values that are made often, made once.</summary>
internal static class PickleBoxes
{
    public static readonly object True = true;
    public static readonly object False = false;

    /// <summary>Stands for None in the memo, where null is an empty place.</summary>
    public static readonly object None = new();

    private static readonly object[] Small = [.. Enumerable.Range(-16, 16 + 257).Select(static number => (object)(long)number)];

    public static object Of(long number) => number is >= -16 and <= 256 ? Small[number + 16] : number;
}
