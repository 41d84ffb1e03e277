using System.Collections.Concurrent;
using System.Globalization;
using System.Reflection;
using System.Runtime.CompilerServices;
using System.Text;

namespace ManyHands.Serialization;

/// <summary>
/// What a type is made of, in words: its fields, with their types, and where they are in memory, down to those of the runtime. Two programs whose types of one name are described alike understand each other's values, be they
/// bits in shared memory or messages, in which members stand in their order and without names.
/// </summary>
internal static class TypeLayout
{
    private static readonly ConcurrentDictionary<Type, string> Known = new();

    /// <summary>The description of a shared object's content, or any other type's.</summary>
    public static string Of(Type type) => Known.GetOrAdd(type, static type =>
    {
        StringBuilder text = new();
        Queue<Type> left = new([type]);
        HashSet<Type> described = [];
        while (left.TryDequeue(out Type? next))
        {
            if (described.Add(next))
                Describe(next, text, left);
        }

        return text.ToString();
    });

    private static void Describe(Type type, StringBuilder text, Queue<Type> left)
    {
        // Of what is the runtime's own, the name says it all, but for the size, which differs between its versions.
        foreach (Type part in Parts(type))
            left.Enqueue(part);
        if (type.IsEnum)
            text.Append(CultureInfo.InvariantCulture, $"{type} ({ReadableName.Of(type.GetEnumUnderlyingType())}); ");
        else if (type.IsPrimitive || type.IsPointer || type.IsArray || type.IsGenericParameter)
            return;
        else if (IsOfTheRuntime(type))
            DescribeSize(type, text);
        else
            DescribeFields(type, text, left);
    }

    private static Type[] Parts(Type type) => type.HasElementType ? [type.GetElementType()!] : type.GetGenericArguments();

    private static void DescribeSize(Type type, StringBuilder text)
    {
        if (IsBits(type))
            text.Append(CultureInfo.InvariantCulture, $"{type} ({FieldLayout.SizeOf(type)} bytes); ");
    }

    private static void DescribeFields(Type type, StringBuilder text, Queue<Type> left)
    {
        text.Append(CultureInfo.InvariantCulture, $"{type}");
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
