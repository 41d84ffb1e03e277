using System.Collections.Concurrent;
using System.Globalization;
using System.Reflection;
using System.Runtime.CompilerServices;
using System.Security.Cryptography;
using System.Text;

namespace ManyHands.Serialization;

/// <summary>
/// What a type is made of, in words: its fields, with their types, and where they are in memory, down to those of the runtime. Two programs whose types of one name are described alike understand each other's values, be they
/// bits in shared memory or messages, in which members stand in their order and without names.
/// </summary>
internal static class TypeLayout
{
    private const string LayoutMark = " (layout ";
    private const int HashLength = 6;
    private static readonly ConcurrentDictionary<Type, string> Known = new();
    private static readonly ConcurrentDictionary<Type, string> KnownNames = new();

    /// <summary>The description of a shared object's content, or any other type's.</summary>
    public static string Of(Type type) => Known.GetOrAdd(type, static type => Describe(type, static type => type.ToString(), out _));

    /// <summary>
    /// What programs that may be of different builds call a type whose values travel between them: as a programmer writes it, and, if it is not all the runtime's, a hash of what it is made of. Names count without namespaces there, so
    /// that each program may declare its own.
    /// </summary>
    public static string NameOf(Type type) => KnownNames.GetOrAdd(type, static type =>
    {
        string layout = Describe(type, TypeNames.Of, out bool isOfTheRuntime);
        return isOfTheRuntime ? TypeNames.Of(type) : $"{TypeNames.Of(type)}{LayoutMark}{Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes(layout)).AsSpan(0, HashLength))})";
    });

    /// <summary>What to do where two builds call a type by different names, if these tell of its layout; empty if they don't.</summary>
    public static string Explain(string one, string other) =>
        (one + other).Contains(LayoutMark, StringComparison.Ordinal) ? " The layout is a hash of a type's fields; where only it differs, build all programs from the same source." : "";

    private static string Describe(Type type, Func<Type, string> nameOf, out bool isOfTheRuntime)
    {
        StringBuilder text = new();
        Queue<Type> left = new([type]);
        HashSet<Type> described = [];
        isOfTheRuntime = true;
        while (left.TryDequeue(out Type? next))
        {
            if (!described.Add(next))
                continue;
            isOfTheRuntime &= next.HasElementType || IsOfTheRuntime(next);
            Describe(next, text, left, nameOf);
        }

        return text.ToString();
    }

    private static void Describe(Type type, StringBuilder text, Queue<Type> left, Func<Type, string> nameOf)
    {
        // Of what is the runtime's own, the name says it all, but for the size, which differs between its versions.
        foreach (Type part in Parts(type))
            left.Enqueue(part);
        if (type.IsEnum)
            text.Append(CultureInfo.InvariantCulture, $"{nameOf(type)} ({ReadableName.Of(type.GetEnumUnderlyingType())}); ");
        else if (type.IsPrimitive || type.IsPointer || type.IsArray || type.IsGenericParameter)
            return;
        else if (IsOfTheRuntime(type))
            DescribeSize(type, text, nameOf);
        else
            DescribeFields(type, text, left, nameOf);
    }

    private static Type[] Parts(Type type) => type.HasElementType ? [type.GetElementType()!] : type.GetGenericArguments();

    private static void DescribeSize(Type type, StringBuilder text, Func<Type, string> nameOf)
    {
        if (IsBits(type))
            text.Append(CultureInfo.InvariantCulture, $"{nameOf(type)} ({FieldLayout.SizeOf(type)} bytes); ");
    }

    private static void DescribeFields(Type type, StringBuilder text, Queue<Type> left, Func<Type, string> nameOf)
    {
        text.Append(nameOf(type));
        if (IsBits(type))
        {
            text.Append(CultureInfo.InvariantCulture, $" ({FieldLayout.SizeOf(type)} bytes)");
            if (type.GetCustomAttribute<InlineArrayAttribute>() is { } array)
                text.Append(CultureInfo.InvariantCulture, $" ({array.Length} times)");
            text.Append(':');
            foreach (PlacedField placed in FieldLayout.Of(type).OrderBy(static placed => placed.Offset))
                AppendField(placed.Field, $" at {placed.Offset}");
        }
        else
        {
            text.Append(':');
            for (Type? declaring = type; declaring is not null && !IsOfTheRuntime(declaring); declaring = declaring.BaseType)
            {
                foreach (FieldInfo field in FieldLayout.FieldsOf(declaring).Where(field => field.DeclaringType == declaring))
                    AppendField(field, "");
            }
        }

        text[^1] = ';';
        text.Append(' ');

        void AppendField(FieldInfo field, string where)
        {
            text.Append(CultureInfo.InvariantCulture, $" {ReadableName.Of(field.FieldType)} {NameOf(field)}{where},");
            left.Enqueue(field.FieldType);
        }
    }

    // Of a property that the compiler keeps in a field, its own.
    private static string NameOf(FieldInfo field) => field.Name is ['<', .. var rest] && rest.IndexOf('>', StringComparison.Ordinal) is > 0 and var end ? rest[..end] : field.Name;

    private static bool IsBits(Type type) => type is { IsValueType: true, ContainsGenericParameters: false } && !type.IsByRefLike && !HasReferences(type);

    private static bool HasReferences(Type type) =>
        !type.IsPrimitive && !type.IsEnum && !type.IsPointer && !type.IsFunctionPointer && (!type.IsValueType || Array.Exists(FieldLayout.FieldsOf(type), static field => field.FieldType != field.DeclaringType && HasReferences(field.FieldType)));

    private static bool IsOfTheRuntime(Type type) =>
        type.Assembly == typeof(object).Assembly || type.Assembly == typeof(TypeLayout).Assembly
        || (type.Assembly.GetName().Name is { } name && (name.StartsWith("System.", StringComparison.Ordinal) || name.StartsWith("Microsoft.", StringComparison.Ordinal)));
}
