using System.Globalization;
using System.Runtime.InteropServices;
using System.Text;

namespace ManyHands.Platform;

/// <summary>A process, told from a later one that has got its number.</summary>
/// <param name="Id">Its number.</param>
/// <param name="Start">When it started: the low half of the ticks since the machine's start; proc(5), field 22 of /proc/pid/stat. 0 if it couldn't find out itself: then the number alone tells.</param>
internal readonly record struct ProcessIdentity(int Id, uint Start)
{
    /// <summary>More than the kernel ever writes there. An odd number, so that tests can tell the call that reads it.</summary>
    public const int LongestStat = 2003;

    /// <summary>Fields of /proc/pid/stat, counted from the one behind the name, which may itself contain anything.</summary>
    private const int StateField = 0;
    private const int StartField = 19;

    /// <summary>This process.</summary>
    public static ProcessIdentity Current { get; } = new(Environment.ProcessId, OperatingSystem.IsLinux() && TryRead(Environment.ProcessId, out _, out uint start, out _) ? start : 0);

    /// <summary>
    /// Whether it has ended, be it that it waits to be reaped. Only a proof says so: a process that can't be looked at, as this one has no descriptor for it or may not, counts as living, and is looked at again later.
    /// </summary>
    public bool HasEnded
    {
        get
        {
            if (TryRead(Id, out char state, out uint start, out bool isGone))
                return state is 'Z' or 'X' or 'x' || (start != Start && Start != 0);
            return isGone || !Linux.MayBeProcess(Id);
        }
    }

    /// <summary>What /proc/pid/stat says, if all of it is there.</summary>
    public static bool TryParse(ReadOnlySpan<byte> stat, out char state, out uint start)
    {
        (state, start) = ('\0', 0);

        // Behind the last field comes a line's end; without it, numbers may be cut short.
        int nameEnd = stat.LastIndexOf((byte)')');
        if (nameEnd < 0 || stat[^1] != '\n')
            return false;
        int field = 0;
        ReadOnlySpan<byte> fields = stat[(nameEnd + 1)..].Trim((byte)' ');
        foreach (Range range in fields.Split((byte)' '))
        {
            ReadOnlySpan<byte> text = fields[range];
            if (field == StateField && text.Length == 1)
                state = (char)text[0];
            else if (field == StartField && ulong.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out ulong ticks))
                start = (uint)ticks;
            else if (field is StateField or StartField)
                return false;
            field++;
        }

        return field > StartField;
    }

    private static unsafe bool TryRead(int id, out char state, out uint start, out bool isGone)
    {
        (state, start, isGone) = ('\0', 0, false);
        int descriptor;
        fixed (byte* path = Encoding.UTF8.GetBytes(string.Create(CultureInfo.InvariantCulture, $"/proc/{id}/stat\0")))
            descriptor = Linux.Open(path, Linux.OpenReadOnly | Linux.OpenCloseOnExec);
        if (descriptor < 0)
            return false;
        byte* text = stackalloc byte[LongestStat];
        nint length = Linux.Read(descriptor, text, LongestStat);

        // The file is that of the process which had the number when it was opened.
        isGone = length < 0 && Marshal.GetLastPInvokeError() == Linux.ErrorNoProcess;
        _ = Linux.Close(descriptor);
        return length > 0 && TryParse(new(text, (int)length), out state, out start);
    }
}
